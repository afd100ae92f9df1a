/** Writes docs/config.schema.json; `npm run schema` runs it. */
import { writeFile } from "node:fs/promises";
import { configJsonSchema } from "./options/config-file.js";
import { verbs } from "./verbs.js";

const target = new URL("../../../docs/config.schema.json", import.meta.url);
await writeFile(target, `${JSON.stringify(configJsonSchema(verbs), null, "\t")}\n`);
