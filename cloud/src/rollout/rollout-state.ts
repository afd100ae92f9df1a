import { DataError } from "@psgl/sdk";
import { deviceIdPattern } from "@psgl/sdk/protocol";
import { z } from "zod";
import { rolloutLimits as limits } from "./rollout-limits.js";

/** What became of the candidate on a device: it was sent there, runs on trial, has proved itself, or failed. */
const deviceStates = ["offered", "trial", "confirmed", "failed"] as const;

export type RolloutDeviceState = (typeof deviceStates)[number];

const digest = z.string().regex(/^[0-9a-f]{64}$/);

const schema = z.strictObject({
	format: z.literal(1),
	/** `running`: devices of the group get the candidate. `halted`: only those that have it. `rolled-back`: none. */
	phase: z.enum(["running", "halted", "rolled-back"]),
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
	devices: z.array(z.tuple([z.string().regex(deviceIdPattern), z.enum(deviceStates)])).max(limits.maxDevices),
});

/** A roll-out as it is kept on the disk. */
export type RolloutState = Readonly<z.infer<typeof schema>>;

export function encodeRolloutState(state: RolloutState): string {
	return `${JSON.stringify(state)}\n`;
}

/** @throws DataError `PSGL_ROLLOUT_DAMAGED`. */
export function decodeRolloutState(text: string, file: string): RolloutState {
	let got: string;
	try {
		const parsed = schema.safeParse(JSON.parse(text));
		if (parsed.success) return parsed.data;
		const issue = parsed.error.issues[0];
		got = `${issue?.path.join(".")}: ${issue?.message}`;
	} catch (error) {
		got = (error as Error).message;
	}
	throw new DataError("PSGL_ROLLOUT_DAMAGED", {
		what: `the state of the roll-out in ${file} cannot be read`,
		got,
		remedy: "Remove its folder: every device then gets the model that is served",
	});
}
