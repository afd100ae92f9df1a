import { DataError } from "@psgl/sdk";
import { deviceIdPattern } from "@psgl/sdk/protocol";
import { z } from "zod";
import { rolloutLimits as limits } from "./rollout-limits.js";

/** What became of the candidate on a device: it was sent there, runs on trial, has proved itself, or failed. */
export const rolloutDeviceState = z.enum(["offered", "trial", "confirmed", "failed"]);

export type RolloutDeviceState = z.infer<typeof rolloutDeviceState>;

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** What an order decides. */
export const rolloutFacts = z.strictObject({
	format: z.literal(1),
	/** Tells one roll-out from the next; empty in files of earlier versions. */
	id: z.string().max(36).default(""),
	/**
	 * `running`: devices of the group get the candidate. `halted`: only those that have it. `rolled-back`: none. `finished`: it is the model
	 * that is served.
	 */
	phase: z.enum(["running", "halted", "rolled-back", "finished"]),
	/** Client halves, SHA-256 in hex. */
	stable: digest,
	candidate: digest,
	/** Of everything that makes the joint artifact. */
	artifact: digest,
	percentage: z.int().min(0).max(100),
	/** Why it was rolled back. */
	reason: z.string().max(limits.maxReasonLength).optional(),
	/** Whether psgl did that by itself. */
	automatic: z.boolean().optional(),
});

export type RolloutFacts = Readonly<z.infer<typeof rolloutFacts>>;

/** What became of the candidate on devices, by their ids. */
export type DeviceStates = Iterable<readonly [string, RolloutDeviceState]>;

const schema = rolloutFacts.extend({
	devices: z.array(z.tuple([z.string().regex(deviceIdPattern), rolloutDeviceState])).max(limits.maxDevices),
});

/** A roll-out as it is kept on the disk. */
export type RolloutState = Readonly<z.infer<typeof schema>>;

export function encodeRolloutState(state: RolloutState): string {
	return `${JSON.stringify(state)}\n`;
}

/** @throws DataError `PSGL_ROLLOUT_DAMAGED`. */
export function decodeRolloutState(text: string, file: string): RolloutState {
	return decode(schema, text, file);
}

/** @param where they are kept, for the error. @throws DataError `PSGL_ROLLOUT_DAMAGED`. */
export function decodeRolloutFacts(text: string, where: string): RolloutFacts {
	return decode(rolloutFacts, text, where);
}

function decode<T>(kind: z.ZodType<T>, text: string, where: string): T {
	let got: string;
	try {
		const parsed = kind.safeParse(JSON.parse(text));
		if (parsed.success) return parsed.data;
		const issue = parsed.error.issues[0];
		got = `${issue?.path.join(".")}: ${issue?.message}`;
	} catch (error) {
		got = (error as Error).message;
	}
	throw new DataError("PSGL_ROLLOUT_DAMAGED", {
		what: `the state of the roll-out in ${where} cannot be read`,
		got,
		remedy: "Remove it: every device then gets the model that is served",
	});
}
