/** Prints the JSON Schema of the configuration file; `npm run schema` writes it to docs/config.schema.json. */
import { configJsonSchema } from "./options/config-file.js";
import { verbs } from "./verbs.js";

process.stdout.write(`${JSON.stringify(configJsonSchema(verbs), null, "\t")}\n`);
