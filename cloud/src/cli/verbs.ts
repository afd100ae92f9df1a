import { auditVerb } from "./commands/audit.js";
import { bundleVerb } from "./commands/bundle.js";
import { cloudVerb } from "./commands/cloud.js";
import { compileVerb } from "./commands/compile.js";
import { demoVerb } from "./commands/demo.js";
import { deviceVerb } from "./commands/device.js";
import { doctorVerb } from "./commands/doctor.js";
import { exportVerb } from "./commands/export.js";
import { fleetVerb } from "./commands/fleet.js";
import { inferVerb } from "./commands/infer.js";
import { modelsVerbs } from "./commands/models.js";
import { provisionVerbs } from "./commands/provision.js";
import { replayVerb } from "./commands/replay.js";
import { trailVerifyVerb } from "./commands/trail.js";
import { twinsVerbs } from "./commands/twins.js";
import { usersVerbs } from "./commands/users.js";
import type { Verb } from "./verb.js";

/** Every verb, in the order of `psgl --help`. */
export const verbs: readonly Verb[] = [
	demoVerb,
	cloudVerb,
	deviceVerb,
	fleetVerb,
	inferVerb,
	compileVerb,
	exportVerb,
	bundleVerb,
	auditVerb,
	replayVerb,
	...modelsVerbs,
	...provisionVerbs,
	...usersVerbs,
	...twinsVerbs,
	trailVerifyVerb,
	doctorVerb,
];
