/**
 * Prints what documents the options: `schema`, the JSON Schema of the configuration file, or `tables`, the option
 * tables in Markdown. `npm run schema` writes both into docs.
 */
import { configJsonSchema } from "./options/config-file.js";
import { optionTables } from "./options/option-tables.js";
import { verbs } from "./verbs.js";

const schema = configJsonSchema(verbs);
const tables = process.argv[2] === "tables";
process.stdout.write(tables ? optionTables(verbs) : `${JSON.stringify(schema, null, "\t")}\n`);
