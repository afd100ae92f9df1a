import { shortWeights } from "@psgl/sdk/protocol";
import type { AggregatorContext } from "./context.js";
import type { LaneTotals } from "./lane.js";
import { legsOf } from "./legs.js";
import type { Member } from "./member.js";
import { mergePartitions } from "./partition-merge.js";
import type { Reservoir } from "./reservoir.js";
import type { RosterDevice } from "./roster.js";
import { type PlannedRound, shieldWeight } from "./round-plan.js";
import { TrainingRound } from "./training-round.js";
import type { TrainedRound } from "./training-round-options.js";
import type { TrainingState } from "./training-state.js";
import { averagesWeights, extendAverage } from "./weight-average.js";

export interface TrainingPassOptions {
	readonly context: AggregatorContext;
	/** From 1. */
	readonly round: number;
	/** Before the pass. */
	readonly state: TrainingState;
	readonly devices: readonly RosterDevice[];
	readonly learningRate: number;
	readonly plan: PlannedRound;
	/** Keeps complete smashed data for the masked prior; undefined where there is none. */
	readonly reservoir: Reservoir | undefined;
	/** Runs a leg while devices' messages go to it. */
	readonly run: (leg: TrainingRound) => Promise<TrainedRound>;
}

/** What the legs of a round came to. */
export interface TrainedPass {
	readonly state: TrainingState;
	/** Each device's part in each leg. */
	readonly members: readonly Member[];
	readonly totals: LaneTotals;
}

/** Trains one pass over the devices' data, leg by leg. */
export async function trainPass(options: TrainingPassOptions): Promise<TrainedPass> {
	const { context, round, state, devices, learningRate, plan, reservoir, run } = options;
	const { settings, stopping } = context;
	const averages = settings.weightAveraging && averagesWeights(plan.index, plan.of);
	const totals: LaneTotals = { steps: 0, losses: [] };
	const members: Member[] = [];
	const left = new Set<RosterDevice>();
	let { epoch, client, server, average } = state;
	// What devices hold as version `model` is the average, where there is one; training goes on from other weights.
	let model = average === undefined ? state.model : state.model + 1;
	const legs = legsOf(devices, settings);
	for (const [number, leg] of legs.entries()) {
		const shares = leg.filter(({ device }) => !left.has(device));
		if (stopping.aborted || shares.length === 0) break;
		epoch++;
		const done = (plan.index - 1 + number / legs.length) / plan.of;
		const local = plan.kind === "local" ? { shieldWeight: shieldWeight(done) } : undefined;
		const start = { round, epoch, model, client, server, local };
		const trained = await run(new TrainingRound({ context, ...start, learningRate, shares, totals, reservoir }));
		const place = { round, leg: number, last: number === legs.length - 1 };
		const weight = trained.members.reduce((sum, { samples }) => sum + samples, 0);
		({ client, server } = await mergePartitions(context, epoch, place, { ...trained, weight }));
		// In a local round weights are all that travels.
		if (local !== undefined) client = shortWeights(client);
		model = trained.model + 1;
		members.push(...trained.members);
		if (averages) average = extendAverage(average, client, server);
		// A device that is away is waited for once in a round, not in every leg.
		for (const { device, weights } of trained.members) if (weights === undefined) left.add(device);
	}
	return { state: { ...state, round, epoch, model, client, server, average }, members, totals };
}
