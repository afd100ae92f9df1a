import { systemClock } from "@psgl/sdk";
import type { Rollout } from "../rollout/rollout.js";
import type { AggregatorOptions } from "./aggregator-options.js";
import { type CheckpointStore, readNewestCheckpoint } from "./checkpoint-store.js";
import { type ClientArtifact, clientArtifact } from "./enrolment.js";
import { fileCheckpoints } from "./file-checkpoints.js";
import { RunHistory } from "./run-history.js";
import { artifactDigest, engineOf, otherLog } from "./run-identity.js";
import { openRollout, type ServedRelease } from "./served-release.js";
import { ServerSegment } from "./server-segment.js";
import { type ResolvedSettings, resolveSettings } from "./settings.js";
import { decodeState, encodeState, initialState, type RunIdentity, type TrainingState } from "./training-state.js";
import { orWider } from "./wire-terms.js";

/** A run as an aggregator finds it: new, or where its checkpoint and its log left it. */
export interface LoadedRun {
	readonly settings: ResolvedSettings;
	readonly server: ServerSegment;
	readonly client: ClientArtifact;
	readonly run: RunIdentity;
	readonly state: TrainingState;
	readonly history: RunHistory;
	/** Position in the log from which a restart with `state` reads on. */
	readonly place: number;
	readonly rollout: Rollout<ServedRelease> | undefined;
	/** Of the checkpoint that `state` comes from. */
	readonly resumed: { readonly runtime: string; readonly damaged: number } | undefined;
}

/** Compiles the server segment, and reads the checkpoint and the log if there are any. @throws as `Aggregator.start`. */
export async function loadRun(options: AggregatorOptions): Promise<LoadedRun> {
	const { artifact, runtime } = options;
	const settings = resolveSettings(options.settings ?? {}, artifact.manifest);
	const { classWeights, smashedDtype, gradientDtype } = settings;
	const client = await clientArtifact(artifact);
	const run = { artifact: await artifactDigest(artifact), runtime: engineOf(options) };
	const checkpoints = checkpointsOf(options);
	const newest = checkpoints && (await readNewestCheckpoint(checkpoints, (bytes) => decodeState(bytes, run)));
	const resumed = newest?.checkpoint;
	const { log, maxMessageBytes } = options.broker;
	if (resumed !== undefined && log.end > 0 && resumed.log.id !== log.id && log.durable)
		throw otherLog(resumed.log.id, log.id);
	const dtypes = [...orWider(smashedDtype), ...orWider(gradientDtype)];
	const { threads = 1 } = options;
	const server = await ServerSegment.load(artifact, runtime, { threads, classWeights, dtypes, aside: true });
	const { clock = systemClock, replayOnly: readOnly = false } = options;
	const from = resumed?.log.id === log.id ? resumed.log.position : 0;
	const history = log.durable
		? await RunHistory.load({ log, clock, maxMessageBytes, readOnly }, from)
		: RunHistory.none({ log, clock, maxMessageBytes, readOnly });
	// A log that was not forced to the disk may have lost its end in a power cut: what is appended from now on comes after the checkpoint all
	// the same, and a restart must find it.
	const place = Math.min(Math.max(from, log.start), log.openedAt);
	if (newest !== undefined && log.durable && from > place && !readOnly) {
		await checkpoints?.write(encodeState(newest.checkpoint.state, run, { id: log.id, position: place }));
	}
	return {
		settings,
		server,
		client,
		run,
		state: resumed?.state ?? initialState(artifact),
		history,
		place,
		rollout: await openRollout(options, settings, client),
		resumed: resumed && { runtime: resumed.runtime, damaged: newest?.damaged ?? 0 },
	};
}

/** Where an aggregator keeps its checkpoints; undefined where it keeps none. */
export function checkpointsOf({ checkpoints, checkpointFile }: AggregatorOptions): CheckpointStore | undefined {
	return checkpoints ?? (checkpointFile === undefined ? undefined : fileCheckpoints(checkpointFile));
}
