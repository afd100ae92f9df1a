import { compileVerb } from "./commands/compile.js";
import { doctorVerb } from "./commands/doctor.js";
import type { Verb } from "./verb.js";

/** Every verb, in the order of `psgl --help`. */
export const verbs: readonly Verb[] = [compileVerb, doctorVerb];
