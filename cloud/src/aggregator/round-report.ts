import type { AggregatorContext } from "./context.js";
import type { RoundReport, Traffic } from "./events.js";
import type { Member } from "./member.js";
import type { TrainedPass } from "./training-pass.js";

export interface ReportedRound {
	readonly context: AggregatorContext;
	readonly round: number;
	/** Rounds of the whole run. */
	readonly rounds: number;
	readonly learningRate: number;
	/** Of its training, without validation. */
	readonly seconds: number;
	readonly traffic: Traffic;
}

/** What a round tells of its training: losses, steps, who took part. */
export function roundReport(
	{ context, round, rounds, learningRate, seconds, traffic }: ReportedRound,
	{ state, members, totals }: TrainedPass,
): Omit<RoundReport, "validation" | "best" | "seconds"> {
	const { manifest, roster, intake } = context;
	const sum = (of: (member: Member) => number) => members.reduce((total, member) => total + of(member), 0);
	const trained = members.filter((m) => m.weights !== undefined && m.samples > 0);
	const told = trained.filter((m) => m.weights?.localLoss !== undefined);
	const toldSamples = told.reduce((total, m) => total + m.samples, 0);
	const steps = sum((m) => m.steps);
	return {
		round,
		rounds,
		losses: Object.fromEntries(
			manifest.streams.map((name, i) => [name, (totals.losses[i] ?? Number.NaN) / totals.steps]),
		),
		localLoss: told.reduce((total, m) => total + (m.weights?.localLoss ?? 0) * m.samples, 0) / toldSamples,
		learningRate,
		model: state.model,
		steps,
		stepsPerSecond: steps / seconds,
		samples: sum((m) => m.samples),
		traffic,
		devicesOnline: roster.onlineCount,
		devicesTrained: new Set(trained.map((m) => m.device)).size,
		counts: intake.counts,
	};
}
