import type { Clock } from "@psgl/sdk";
import type { Aggregator } from "../../aggregator/aggregator.js";
import type { EventBuffer } from "../../aggregator/event-buffer.js";
import type { Broker } from "../../broker/broker.js";
import type { CandidateFolder } from "../../rollout/candidate-folder.js";
import type { AuditTrail } from "../../trail/audit-trail.js";
import type { TwinFolder } from "../../twins/twin-folder.js";
import type { LogIn } from "../access/log-in.js";
import type { Sessions } from "../access/sessions.js";
import type { UserFolder } from "../access/user-folder.js";
import type { AuditFiles } from "../board/audit-files.js";
import type { ConsoleEvent } from "../board/console-event.js";
import type { DeviceBoard } from "../board/device-board.js";
import type { ModelFacts } from "../board/model-facts.js";
import type { RunBoard } from "../board/run-board.js";
import { notNow } from "./api-error.js";

/** A cloud at work. */
export interface RunningCloud {
	readonly aggregator: Aggregator;
	readonly broker: Pick<Broker, "log">;
	/** Undefined where nothing is trained. */
	readonly checkpointFile: string | undefined;
}

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
	readonly run: RunBoard;
	readonly devices: DeviceBoard;
	readonly audit: AuditFiles;
	readonly twins: TwinFolder;
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
