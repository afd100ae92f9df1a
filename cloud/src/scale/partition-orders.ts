import { PsglError } from "@psgl/sdk";
import { z } from "zod";
import type { Aggregator } from "../aggregator/aggregator.js";
import type { CheckpointStore } from "../aggregator/checkpoint-store.js";
import { cloudLimits as limits } from "../limits.js";
import { ApiError, notNow } from "../operations/api/api-error.js";
import { isUnheard } from "../store/nats-faults.js";
import type { NatsLink } from "../store/nats-link.js";

const order = z.enum(["stop", "checkpoint"]);

/** What an operator may want of a partition's owner: end training, or write a checkpoint. */
export type PartitionOrder = z.infer<typeof order>;

const answer = z.union([
	z.strictObject({ round: z.int().min(0) }),
	z.strictObject({ code: z.string(), what: z.string(), got: z.string().optional(), remedy: z.string().optional() }),
]);

export interface TakeOrdersOptions {
	readonly link: NatsLink;
	/** Name of the run. */
	readonly run: string;
	readonly partition: number;
	readonly aggregator: Pick<Aggregator, "round" | "stop" | "checkpoint" | "settings">;
	readonly checkpoints: CheckpointStore;
}

/** Follows orders for a partition that this process owns, until disposed. */
export function takeOrders({ link, run, partition, aggregator, checkpoints }: TakeOrdersOptions): Disposable {
	const follow = async (text: string) => {
		const { data: wanted } = order.safeParse(text);
		const { round } = aggregator;
		if (wanted === "stop") aggregator.stop();
		else if (wanted === "checkpoint" && aggregator.settings.rounds === 0)
			return { code: "PSGL_API_CONFLICT", what: "nothing is trained here", got: "a cloud that serves" };
		else if (wanted === "checkpoint") await aggregator.checkpoint(checkpoints);
		else return { code: "PSGL_API_CONFLICT", what: "there is no such order", got: text.slice(0, 100) };
		return { round };
	};
	const subscription = link.connection.subscribe(subjectOf(run, partition), {
		callback: (error, message) => {
			if (error !== null) return;
			follow(message.string())
				.catch((fault: unknown) => {
					if (!(fault instanceof PsglError)) return { code: "PSGL_INTERNAL", what: "a fault in psgl" };
					const { code, what, got, remedy } = fault;
					return { code, what, got, remedy };
				})
				.then((given) => message.respond(JSON.stringify(given)))
				// The link was closed meanwhile: whoever gave the order hears nothing, and says so.
				.catch(() => undefined);
		},
	});
	return {
		[Symbol.dispose]: () => {
			if (!link.isClosed) subscription.unsubscribe();
		},
	};
}

/**
 * Gives an order to whoever owns a partition; returns the rounds it had finished.
 * @throws ApiError `PSGL_API_CONFLICT` when nobody takes it; what the owner refuses it with, as ApiError.
 */
export async function giveOrder(
	link: NatsLink,
	{
		run,
		partition,
		order: wanted,
	}: { readonly run: string; readonly partition: number; readonly order: PartitionOrder },
): Promise<number> {
	let text: string;
	try {
		await link.ready(AbortSignal.timeout(limits.orderMs));
		const ask = () => link.connection.request(subjectOf(run, partition), wanted, { timeout: limits.orderMs });
		text = (await link.call(ask)).string();
	} catch (error) {
		const why = isUnheard(error) ? "has no owner at the moment" : "did not answer in time";
		throw notNow(`partition ${partition} ${why}`, "Give the order again: those that have followed it stay as they are");
	}
	const given = answer.parse(JSON.parse(text));
	if ("round" in given) return given.round;
	const { code, ...parts } = given;
	throw new ApiError(409, code, { got: parts.got, what: parts.what, ...(parts.remedy && { remedy: parts.remedy }) });
}

function subjectOf(run: string, partition: number): string {
	return `psgl.${run}.orders.${partition}`;
}
