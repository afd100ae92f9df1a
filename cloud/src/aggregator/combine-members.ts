import type { ClientWeights } from "@psgl/sdk/protocol";
import { weightedAverage } from "./averaging.js";
import type { AggregatorContext } from "./context.js";
import type { Member } from "./member.js";
import { findOutliers } from "./outlier-guard.js";
import { combineClients } from "./robust-averaging.js";
import type { ServerState } from "./server-segment.js";

/** Where a leg began. */
interface Before {
	readonly client: ClientWeights;
	readonly round: number;
}

/**
 * One client segment out of the devices' own ones, weighted by the samples whose batches were applied, not by what devices say; in a
 * local round by no more than a device has.
 */
export function combineMembers(context: AggregatorContext, members: readonly Member[], before: Before): ClientWeights {
	const trained = members.filter((m) => m.weights !== undefined && m.samples > 0);
	if (trained.length === 0) return before.client;
	const honest = context.settings.outlierGuard ? withoutOutliers(context, trained, before) : trained;
	const parts = honest.map((m) => ({ client: (m.weights as { client: ClientWeights }).client, weight: m.samples }));
	return parts.length === 0 ? before.client : combineClients(parts, context.settings.averaging);
}

function withoutOutliers(
	context: AggregatorContext,
	trained: readonly Member[],
	{ client, round }: Before,
): readonly Member[] {
	const outliers = findOutliers(
		client,
		trained.map((m) => (m.weights as { client: ClientWeights }).client),
	);
	for (const { index, reason } of outliers) {
		context.emit({ type: "outlier", of: "weights", round, device: (trained[index] as Member).device.id, reason });
	}
	return trained.filter((_, i) => outliers.every(({ index }) => index !== i));
}

/** One server segment out of the devices' own ones (Thapa et al., AAAI 2022, splitfed-v1). */
export function averageServers(
	states: readonly ServerState[],
	members: readonly Member[],
	before: ServerState,
): ServerState {
	if (members.every((m) => m.samples === 0)) return before;
	const average = (name: "params" | "stats" | "slots") =>
		weightedAverage(states.map((state, i) => ({ vector: state[name], weight: members[i]?.samples ?? 0 })));
	return {
		params: average("params"),
		stats: average("stats"),
		slots: average("slots"),
		step: Math.max(...states.map((state) => state.step)),
	};
}
