/** Prints the table of operators; `npm run operators-table` writes it to docs/operators.md. */
import { operatorsTable } from "./operators-table.js";

process.stdout.write(operatorsTable());
