import { ClientWork, type ClientWorkOptions } from "@psgl/models";
import { type Clock, systemClock } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { WireDType } from "@psgl/sdk/protocol";
import type { Dataset } from "@psgl/sdk/sources";
import { formatBytes } from "../format.js";
import type { Output } from "../output.js";

/** What a model asks of a device, measured on this machine with one thread. */
export interface DeviceCost {
	/** Milliseconds of a training step on a batch, without the aggregator's part and the link. */
	readonly stepMs: number;
	/** Milliseconds of computing what leaves of one record. */
	readonly recordMs: number;
	/** Weights of client segment and local head, and their optimiser, bytes. */
	readonly memoryBytes: number;
	/** One record each time it leaves, without envelope, bytes. */
	readonly recordBytes: number;
}

const turns = 5;
const stepsATurn = 4;
/** A record takes a fraction of the clock's millisecond. */
const recordsATurn = 40;

export interface DeviceCostOptions extends Pick<ClientWorkOptions, "runtime" | "batchSize"> {
	readonly wire: WireDType;
	readonly signal: AbortSignal;
	readonly clock?: Clock;
}

/** Times a model's client half: medians over turns of several runs, after some that do not count. */
export async function deviceCost(artifact: Artifact, data: Dataset, options: DeviceCostOptions): Promise<DeviceCost> {
	const { wire, signal, clock = systemClock } = options;
	await using work = await ClientWork.load(artifact, data, options);
	const time = async (runs: number, run: () => Promise<void>) => {
		await run();
		const times: number[] = [];
		for (let turn = 0; turn < turns; turn++) {
			signal.throwIfAborted();
			const started = clock.now();
			for (let n = 0; n < runs; n++) await run();
			times.push((clock.now() - started) / runs);
		}
		return times.toSorted((a, b) => a - b)[Math.floor(turns / 2)] as number;
	};
	return {
		stepMs: await time(stepsATurn, () => work.step()),
		recordMs: await time(recordsATurn, () => work.record()),
		memoryBytes: work.memoryBytes,
		recordBytes: work.recordBytes(wire),
	};
}

/** Prints what each system asks of a device. */
export function printDeviceCost(output: Output, costs: Readonly<Record<string, DeviceCost>>, batchSize: number): void {
	const right = (title: string) => ({ title, align: "right" as const });
	output.print("");
	output.table(
		[
			{ title: "on a device" },
			right(`training step of ${batchSize}`),
			right("one record"),
			right("weights and optimiser"),
			right("a record that leaves"),
		],
		Object.entries(costs).map(([name, { stepMs, recordMs, memoryBytes, recordBytes }]) => [
			name,
			`${stepMs.toFixed(2)} ms`,
			`${recordMs.toFixed(2)} ms`,
			`${(memoryBytes / 2 ** 20).toFixed(2)} MiB`,
			recordBytes < 1 ? `${8 * recordBytes} bits` : formatBytes(recordBytes),
		]),
	);
}
