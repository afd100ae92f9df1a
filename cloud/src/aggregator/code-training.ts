import { seededRandom } from "@psgl/sdk";
import { type CodeCache, cachedBatches } from "./code-cache.js";
import type { AggregatorContext } from "./context.js";
import type { Validation } from "./events.js";
import type { LaneTotals } from "./lane.js";
import { measureDecisions } from "./measure-decisions.js";
import type { ServerState, ServerWeights } from "./server-segment.js";
import type { TrainedPass, TrainingPassOptions } from "./training-pass.js";
import { averagesWeights, extendAverage } from "./weight-average.js";

interface CodeTrainingOptions {
	readonly context: AggregatorContext;
	readonly round: number;
	readonly cache: CodeCache;
	readonly learningRate: number;
	readonly totals: LaneTotals;
}

/** Passes over the codes in one round: the server segment of a code is small, and its devices are not asked for anything. */
const passesPerRound = 3;

/** Trains the server segment on cached codes, in an order that seed, round and pass decide; no device is asked. */
async function trainOnCodes(
	{ context, round, cache, learningRate, totals }: CodeTrainingOptions,
	before: ServerState,
): Promise<ServerState> {
	const { settings, server, stopping, emit } = context;
	let state = before;
	for (let pass = 0; pass < passesPerRound; pass++) {
		const random = seededRandom(settings.seed).fork(`codes ${round} ${pass}`);
		for (const batch of cachedBatches(cache, settings.batchSize, random)) {
			if (stopping.aborted) return state;
			const { next, losses } = await server.train(state, [batch], learningRate);
			state = next;
			totals.steps++;
			losses.forEach((loss, i) => {
				totals.losses[i] = (totals.losses[i] ?? 0) + loss;
			});
			emit({ type: "step", round, step: totals.steps, devices: [], losses });
		}
	}
	return state;
}

/** One round on codes, which are here. */
export async function codesPass(
	{ context, round, state, learningRate, plan }: Omit<TrainingPassOptions, "reservoir" | "run" | "devices">,
	codes: CodeCache,
): Promise<TrainedPass> {
	const totals: LaneTotals = { steps: 0, losses: [] };
	const server = await trainOnCodes({ context, round, cache: codes, learningRate, totals }, state.server);
	const averages = context.settings.weightAveraging && averagesWeights(plan.index, plan.of);
	const average = averages ? extendAverage(state.average, state.client, server) : state.average;
	return { state: { ...state, round, epoch: state.epoch + 1, server, average, codes }, members: [], totals };
}

/** Measures on the validation samples in the cache; undefined when there are none. */
export async function validateOnCodes(
	{ manifest, server }: AggregatorContext,
	weights: ServerWeights,
	cache: CodeCache,
): Promise<Validation | undefined> {
	const scores: Float32Array[] = [];
	const labels: number[] = [];
	for (const codes of cache) {
		if (codes.part !== "validation") continue;
		scores.push((await server.score(weights, codes.smashed)).data);
		for (const label of codes.labels.data) labels.push(Number(label));
	}
	return measureDecisions(manifest, scores, labels);
}
