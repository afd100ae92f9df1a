import { ConfigError } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import { isMissingStream } from "../store/nats-faults.js";
import type { NatsLink } from "../store/nats-link.js";
import { persist } from "../store/persist.js";

/** What the logs of a run are about. */
export interface FoundRun {
	/** SHA-256 (hex) of its artifact. */
	readonly artifact: string;
	readonly partitions: number;
	readonly replicas: number;
	/** Undefined where none was made yet. */
	readonly leaseMs: number | undefined;
}

/** Name of the stream of a partition's log. */
export function logName(run: string, partition: number): string {
	return `${run}-p${partition}`;
}

/** What the stream says that it is about. */
export function runOf(artifact: string, partition: number, partitions: number): string {
	return `${artifact} partition ${partition} of ${partitions}`;
}

/** The run that has a name in the store; undefined where none has. @throws ConnectionError `PSGL_STORE_TIMEOUT`. */
export async function findRun(
	link: NatsLink,
	name: string,
	signal: AbortSignal | undefined,
): Promise<FoundRun | undefined> {
	const within = { signal, timeoutMs: cloudLimits.storeStartMs, what: `look for ${name}` };
	const look = (stream: string) =>
		link.manager.streams.info(stream).catch((error: unknown) => {
			if (isMissingStream(error)) return undefined;
			throw error;
		});
	const info = await persist(link, () => look(logName(name, 0)), within);
	const leases = await persist(link, () => look(`KV_${name}-leases`), within);
	const { description = "", num_replicas: replicas = 1 } = info?.config ?? {};
	const [, artifact, partitions] = /^([0-9a-f]{64}) partition 0 of (\d{1,4})$/.exec(description) ?? [];
	if (artifact === undefined) return undefined;
	const leaseMs = leases && leases.config.max_age / 1e6;
	return { artifact, partitions: Number(partitions), replicas, leaseMs };
}

/** The refusal of an order for a run that nobody has begun. */
export function noRun(name: string): ConfigError {
	return new ConfigError("PSGL_STORE_NO_RUN", {
		what: `no run has the name ${name} in the store`,
		got: "no log of its first partition",
		remedy: "Give the --store-name of the cloud, or start it first",
	});
}
