import { cloudLimits } from "../limits.js";
import { decodeEntry } from "../log/entry.js";
import type { LogAppendOptions, LogInlet } from "../log/log.js";
import { partitionOf } from "./partitions.js";
import type { RunStore } from "./run-store.js";

/** Takes each device's entries to the log of its partition. */
export class PartitionedInlet implements LogInlet {
	/** Longest message of a device, bytes: an entry of the log is the message with its topic. */
	readonly maxMessageBytes = cloudLimits.storeEntryBytes - cloudLimits.packetOverheadBytes;
	readonly #logs: readonly LogInlet[];

	private constructor(logs: readonly LogInlet[]) {
		this.#logs = logs;
	}

	static async open(store: RunStore): Promise<PartitionedInlet> {
		const partitions = Array.from({ length: store.partitions }, (_, i) => i);
		return new PartitionedInlet(await Promise.all(partitions.map((partition) => store.openLog(partition))));
	}

	async append(entry: Uint8Array, options?: LogAppendOptions): Promise<number> {
		const { device } = decodeEntry(entry);
		return (this.#logs[partitionOf(device, this.#logs.length)] as LogInlet).append(entry, options);
	}

	async close(): Promise<void> {
		await Promise.all(this.#logs.map((log) => log.close()));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
