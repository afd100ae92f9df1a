import type { RoundFigures, StepFigures } from "../../../src/operations/board/run-board.js";
import { streamName } from "../format.js";
import type { Series } from "../parts/line-chart.js";

/** Streams in the order of their colours. */
export const looks = ["fused", "F", "R", "A"];

/** A line for each stream over the rounds. @param of figures of a round by stream */
export function byStream(
	rounds: readonly RoundFigures[],
	of: (round: RoundFigures) => Readonly<Record<string, number | null>>,
): readonly Series[] {
	const streams = looks.filter((stream) => rounds.some((round) => stream in of(round)));
	return streams.map((stream) => ({
		name: streamName(stream),
		look: looks.indexOf(stream),
		points: rounds.map((round) => ({ x: round.round, y: of(round)[stream] ?? null })),
	}));
}

/** A line for each stream over steps, counted from the first that is shown. */
export function bySteps(steps: readonly StepFigures[], streams: readonly string[]): readonly Series[] {
	return looks
		.filter((stream) => streams.includes(stream))
		.map((stream) => ({
			name: streamName(stream),
			look: looks.indexOf(stream),
			points: steps.map(({ losses }, i) => ({ x: i + 1, y: losses[stream] ?? null })),
		}));
}
