import { resolve } from "node:path";
import { ConfigError } from "@psgl/sdk";
import { answerTo, leaveOrder, type RolloutOrder } from "../../rollout/rollout-orders.js";
import type { RolloutStatus } from "../../rollout/rollout-status.js";
import { stateFiles } from "../state-files.js";
import type { VerbContext } from "../verb.js";

interface RolloutValues {
	readonly state: string;
	readonly candidate?: string | undefined;
	readonly percentage?: number | undefined;
	readonly halt: boolean;
	readonly rollback: boolean;
	readonly wait: number;
}

/** An order for the roll-out of a running cloud, and what became of it. */
export async function runModelsRollout(options: RolloutValues, { output, signal }: VerbContext): Promise<number> {
	const order = orderOf(options);
	const { rollout: folder } = stateFiles(options.state);
	const id = await leaveOrder(folder, order);
	const answer = await answerTo(folder, id, AbortSignal.any([signal, AbortSignal.timeout(1000 * options.wait)]));
	if (answer === undefined) {
		output.print(`No cloud has answered; the one that is started next with --rounds 0 --state ${options.state} will.`);
		output.result({ taken: false, order: order.order });
		return 0;
	}
	if ("error" in answer) throw new ConfigError(answer.error.code, answer.error);
	output.print(describe(answer.status));
	output.result({ taken: true, ...answer.status });
	return 0;
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
