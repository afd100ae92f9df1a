/** Prints the JSON Schema of scenario files; `npm run schema` writes it into docs. */
import { scenarioJsonSchema } from "@psgl/firmware-sim";

process.stdout.write(`${JSON.stringify(scenarioJsonSchema(), null, "\t")}\n`);
