import { resolve } from "node:path";
import { ConfigError } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { artifactDigest } from "../../aggregator/run-identity.js";
import { openRolloutDesk } from "../../aggregator/served-release.js";
import { otherRun } from "../../log/log-errors.js";
import { Rollout } from "../../rollout/rollout.js";
import { answerTo, followOrder, leaveOrder, type RolloutOrder } from "../../rollout/rollout-orders.js";
import type { RolloutStatus } from "../../rollout/rollout-status.js";
import type { RunStore } from "../../scale/run-store.js";
import { openArtifact } from "../open-artifact.js";
import type { OptionValues } from "../options/option.js";
import { missingOption } from "../options/resolve-options.js";
import type { Output } from "../output.js";
import { stateFiles } from "../state-files.js";
import { joinRunStore, type storePlaceOptions } from "../store-options.js";
import type { VerbContext } from "../verb.js";

interface RolloutValues extends OptionValues<typeof storePlaceOptions> {
	readonly state: string;
	readonly artifact?: string | undefined;
	readonly candidate?: string | undefined;
	readonly percentage?: number | undefined;
	readonly halt: boolean;
	readonly rollback: boolean;
	readonly wait: number;
}

/** An order for the roll-out of a running cloud, and what became of it. */
export async function runModelsRollout(options: RolloutValues, context: VerbContext): Promise<number> {
	const order = orderOf(options);
	const { output, signal } = context;
	await using store = await joinRunStore(options, signal);
	if (store !== undefined) {
		using desk = await deskOn(store, options);
		tell(await followOrder(desk, order), output);
		return 0;
	}
	const { rollout: folder } = stateFiles(options.state);
	const id = await leaveOrder(folder, order);
	const answer = await answerTo(folder, id, AbortSignal.any([signal, AbortSignal.timeout(1000 * options.wait)]));
	if (answer === undefined) {
		output.print(`No cloud has answered; the one that is started next with --rounds 0 --state ${options.state} will.`);
		output.result({ taken: false, order: order.order });
		return 0;
	}
	if ("error" in answer) throw new ConfigError(answer.error.code, answer.error);
	tell(answer.status, output);
	return 0;
}

function tell(status: RolloutStatus, output: Output): void {
	output.print(describe(status));
	output.result({ taken: true, ...status });
}

/** Gives orders in the store itself: no process of the cloud has to run. */
async function deskOn(store: RunStore, { artifact, candidate, wait }: RolloutValues): Promise<Rollout> {
	const rollouts = await store.openRollouts({ timeoutMs: 1000 * Math.max(1, wait) });
	if (artifact !== undefined) {
		const served = await openArtifact(artifact);
		const digest = await artifactDigest(served);
		if (digest !== store.artifact) throw otherRun("the store", store.artifact, digest);
		return openRolloutDesk({ artifact: served, runtime: nodeRuntime, settings: { rounds: 0 } }, rollouts);
	}
	// A candidate is compared with the model that is served.
	if (candidate !== undefined) throw missingOption("artifact");
	const stable = (await rollouts.read())?.facts.stable ?? "";
	const open = async () => {
		throw missingOption("artifact");
	};
	return Rollout.open({ store: rollouts, stable, open, ordersOnly: true });
}

function orderOf({ candidate, percentage, halt, rollback }: RolloutValues): RolloutOrder {
	const ways = [percentage !== undefined, halt, rollback].filter((way) => way).length;
	if (ways === 0 && candidate === undefined) return { order: "status" };
	if (ways === 1) {
		if (percentage !== undefined && candidate !== undefined)
			return { order: "start", artifact: resolve(candidate), percentage };
		if (percentage !== undefined) return { order: "percentage", percentage };
		if (candidate === undefined) return { order: halt ? "halt" : "rollback" };
	}
	throw new ConfigError("PSGL_OPTION", {
		what: "it is not clear what is to become of the roll-out",
		expected:
			"one of --percentage (with --candidate to begin one), --halt and --rollback, or none to see how it stands",
	});
}

function describe({ phase, percentage, candidate, devices, failed }: RolloutStatus): string {
	if (candidate === undefined) return "No roll-out";
	const told = Object.entries(devices).map(([state, count]) => `${state} ${count}`);
	const on = failed.length === 0 ? "" : `\nFailed on ${failed.slice(0, 20).join(", ")}`;
	return `Roll-out of ${candidate?.slice(0, 12)}: ${phase}, ${percentage} % of the devices; ${told.join(", ")}${on}`;
}
