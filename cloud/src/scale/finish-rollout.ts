import { isOver } from "../rollout/rollout-facts.js";
import { readRolloutFacts } from "../store/jetstream-rollouts.js";
import type { NatsLink } from "../store/nats-link.js";
import { persist } from "../store/persist.js";
import { findRun, logName, runOf } from "./run-logs.js";

export interface FinishRolloutOptions {
	readonly link: NatsLink;
	/** Of the run. */
	readonly name: string;
	/** SHA-256 (hex) of the artifact that is to be served from now on. */
	readonly artifact: string;
	readonly partitions: number;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the logs of a run that serves those of its roll-out's candidate, where it is to be served in place of the model before. The first partition's
 * comes last: who ends in the middle does it again. Returns whether it is the candidate, of a run with as many partitions.
 * @throws as `findRun`; DataError `PSGL_ROLLOUT_DAMAGED`.
 */
export async function finishRollout({
	link,
	name,
	artifact,
	partitions,
	signal,
}: FinishRolloutOptions): Promise<boolean> {
	const run = await findRun(link, name, signal);
	const facts = await readRolloutFacts(link, name, signal);
	if (facts === undefined || isOver(facts) || facts.artifact !== artifact || run?.partitions !== partitions)
		return false;
	for (let partition = partitions - 1; partition >= 0; partition--) {
		const update = () =>
			link.manager.streams.update(logName(name, partition), { description: runOf(artifact, partition, partitions) });
		await persist(link, update, { signal, what: "serve the candidate of a roll-out" });
	}
	return true;
}
