/** The program of a device bundle: `psgl` with the verbs of a device alone. */
import { deviceVerb } from "./commands/device.js";
import { doctorVerb } from "./commands/doctor.js";
import { inferVerb } from "./commands/infer.js";
import { runCli } from "./run-cli.js";

process.exitCode = await runCli(process.argv.slice(2), [deviceVerb, inferVerb, doctorVerb]);
