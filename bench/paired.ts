import { loadavg } from "node:os";

/** Two sides timed in turns. Milliseconds are medians over the turns; the ratio is ours over the reference's. */
export interface Paired {
	readonly ours: number;
	readonly reference: number;
	/** Median of the turns' ratios. */
	readonly ratio: number;
	/** First and third quartile of the turns' ratios. */
	readonly quartiles: readonly [number, number];
	/** The same ratio of processor time: waiting for a core that others use does not count. */
	readonly processorRatio: number;
	/** Load average of the machine over the last minute, at the end. */
	readonly load: number;
}

/** Milliseconds of one run: by the clock, and of all threads of the process on a processor. */
export type RunTime = readonly [wall: number, processor: number];

/** Runs the work so many times. */
export type Timed = (runs: number) => Promise<readonly RunTime[]>;

export interface PairedOptions {
	readonly turns: number;
	readonly runsPerTurn: number;
}

/**
 * Times two sides in turns on the same machine in the same minutes, so that what else runs there meets both. Who begins
 * changes from turn to turn; a turn counts with the median of its runs.
 */
export async function paired(ours: Timed, reference: Timed, { turns, runsPerTurn }: PairedOptions): Promise<Paired> {
	await ours(3);
	await reference(3);
	const pairs: { own: readonly RunTime[]; other: readonly RunTime[] }[] = [];
	for (let turn = 0; turn < turns; turn++) {
		const first = turn % 2 === 0;
		const before = first ? await ours(runsPerTurn) : await reference(runsPerTurn);
		const after = first ? await reference(runsPerTurn) : await ours(runsPerTurn);
		pairs.push(first ? { own: before, other: after } : { own: after, other: before });
	}
	const middle = (times: readonly RunTime[], kind: 0 | 1) =>
		quantile(
			times.map((time) => time[kind]),
			0.5,
		);
	const ratios = (kind: 0 | 1) => pairs.map(({ own, other }) => middle(own, kind) / middle(other, kind));
	const of = (values: readonly number[], share: number) => Number(quantile(values, share).toFixed(3));
	const each = (side: "own" | "other") => pairs.map((pair) => middle(pair[side], 0));
	return {
		ours: of(each("own"), 0.5),
		reference: of(each("other"), 0.5),
		ratio: of(ratios(0), 0.5),
		quartiles: [of(ratios(0), 0.25), of(ratios(0), 0.75)],
		processorRatio: of(ratios(1), 0.5),
		load: Number(loadavg()[0]?.toFixed(2)),
	};
}

/** Times runs of `work` one after the other. */
export function timed(work: () => Promise<unknown>): Timed {
	return async (runs) => {
		const times: RunTime[] = [];
		for (let i = 0; i < runs; i++) {
			const used = process.cpuUsage();
			const start = performance.now();
			await work();
			const wall = performance.now() - start;
			const { user, system } = process.cpuUsage(used);
			times.push([wall, (user + system) / 1000]);
		}
		return times;
	};
}

export function quantile(values: readonly number[], share: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
}
