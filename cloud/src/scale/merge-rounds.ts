import type { RoundFigures } from "../operations/board/run-board.js";

/**
 * One row for each round of a run with several partitions: losses as means weighted by training samples, validation by validation samples (balanced accuracy
 * too, which is no longer balanced over all of them), the rest added up. A round is the best where it is in every partition that had it.
 */
export function mergeRounds(partitions: readonly (readonly RoundFigures[])[]): readonly RoundFigures[] {
	const [only] = partitions;
	if (partitions.length === 1 && only !== undefined) return only;
	const rounds = new Map<number, RoundFigures[]>();
	for (const figures of partitions.flat()) {
		rounds.set(figures.round, [...(rounds.get(figures.round) ?? []), figures]);
	}
	return [...rounds.values()].map(mergeRound).sort((a, b) => a.round - b.round);
}

function mergeRound(parts: readonly RoundFigures[]): RoundFigures {
	const last = parts.reduce((a, b) => (a.at > b.at ? a : b));
	const sum = (of: (part: RoundFigures) => number) => parts.reduce((total, part) => total + of(part), 0);
	const trained = parts.map(({ samples }) => samples);
	const streams = [...new Set(parts.flatMap(({ losses }) => Object.keys(losses)))];
	const validated = [...new Set(parts.flatMap(({ validation }) => Object.keys(validation)))];
	return {
		...last,
		losses: Object.fromEntries(
			streams.map((name) => [
				name,
				mean(
					parts.map(({ losses }) => losses[name]),
					trained,
				),
			]),
		),
		localLoss: mean(
			parts.map(({ localLoss }) => localLoss),
			trained,
		),
		validation: Object.fromEntries(
			validated.map((name) => {
				const figures = parts.map(({ validation }) => validation[name]);
				const weights = figures.map((each) => each?.samples ?? 0);
				const of = (key: "accuracy" | "balancedAccuracy" | "loss") =>
					mean(
						figures.map((each) => each?.[key]),
						weights,
					);
				const samples = weights.reduce((a, b) => a + b, 0);
				return [
					name,
					{ samples, accuracy: of("accuracy"), balancedAccuracy: of("balancedAccuracy"), loss: of("loss") },
				];
			}),
		),
		best: parts.every(({ best }) => best),
		samples: sum(({ samples }) => samples),
		steps: sum(({ steps }) => steps),
		seconds: Math.max(...parts.map(({ seconds }) => seconds)),
		devicesTrained: sum(({ devicesTrained }) => devicesTrained),
		bytesUp: sum(({ bytesUp }) => bytesUp),
		bytesDown: sum(({ bytesDown }) => bytesDown),
	};
}

/** Of the values that are there; null where none is, or none has a weight. */
function mean(values: readonly (number | null | undefined)[], weights: readonly number[]): number | null {
	let [sum, total] = [0, 0];
	for (const [i, value] of values.entries()) {
		const weight = weights[i] ?? 0;
		if (value === null || value === undefined) continue;
		sum += weight * value;
		total += weight;
	}
	return total === 0 ? null : sum / total;
}
