import type { Clock } from "@psgl/sdk";
import type { EventBuffer } from "../../aggregator/event-buffer.js";
import type { CandidateFolder } from "../../rollout/candidate-folder.js";
import type { AuditTrail } from "../../trail/audit-trail.js";
import type { LogIn } from "../access/log-in.js";
import type { Sessions } from "../access/sessions.js";
import type { UserFolder } from "../access/user-folder.js";
import type { AuditFiles } from "../board/audit-files.js";
import type { ConsoleEvent } from "../board/console-event.js";
import type { ModelFacts } from "../board/model-facts.js";
import type { RunView } from "../board/run-view.js";
import type { RunningCloud } from "../running-cloud.js";
import { notNow } from "./api-error.js";

/** What the routes work with. */
export interface ApiContext {
	readonly version: string;
	readonly stateFolder: string;
	readonly clock: Clock;
	readonly users: UserFolder;
	readonly sessions: Sessions;
	readonly logIn: LogIn;
	readonly trail: AuditTrail;
	readonly model: ModelFacts;
	readonly run: () => RunView;
	readonly audit: AuditFiles;
	readonly candidates: CandidateFolder;
	/** Something else is wanted of a device. */
	readonly onTwin: () => void;
	readonly events: EventBuffer<ConsoleEvent>;
	/** Undefined until the log was replayed. */
	readonly cloud: () => RunningCloud | undefined;
}

/** The cloud, once it works. @throws ApiError `PSGL_API_CONFLICT`. */
export function running({ cloud }: ApiContext): RunningCloud {
	const found = cloud();
	if (found === undefined) throw notNow("the cloud is starting: it replays its log", "Try again in a moment");
	return found;
}
