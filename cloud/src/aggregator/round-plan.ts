import type { Manifest } from "@psgl/sdk/artifact";

/**
 * What a round is. `exchange`: batches up, gradients down. `local`: devices train with their local heads. `codes`: the server segment
 * trains on codes that the devices sent.
 */
export interface PlannedRound {
	readonly kind: "exchange" | "local" | "codes";
	/** Place among the rounds of its kind, from 1, and how many there are: what schedule and average go by. */
	readonly index: number;
	readonly of: number;
	/** Codes of the segment before are of no use any more. */
	readonly recode: boolean;
}

/**
 * The rounds of a run. In the release modes `once` and `refresh` there are as many rounds on codes as local ones before them; `refresh`
 * takes turns.
 */
export function planRounds({ disclosure }: Pick<Manifest, "disclosure">, rounds: number): readonly PlannedRound[] {
	const planned = (kind: PlannedRound["kind"], from: number, to: number): PlannedRound[] =>
		Array.from({ length: to - from }, (_, i) => {
			const index = from + i + 1;
			return { kind, index, of: rounds, recode: kind === "codes" && i === 0 };
		});
	if (disclosure.release === "every-epoch") return planned("exchange", 0, rounds);
	const turns = Math.min(disclosure.refreshes ?? 1, Math.max(1, rounds));
	return Array.from({ length: turns }, (_, turn) => {
		const from = Math.floor((turn * rounds) / turns);
		const to = Math.floor(((turn + 1) * rounds) / turns);
		return [...planned("local", from, to), ...planned("codes", from, to)];
	}).flat();
}

/** Share of the local steps over which the weight of what hides samples rises from 0. */
const rampShare = 0.3;

/** `shieldWeight` of a leg. @param done share of the local steps that came before, 0 to 1 */
export function shieldWeight(done: number): number {
	return Math.min(1, done / rampShare);
}
