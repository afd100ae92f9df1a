import { unwatchFile, watchFile } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, DataError, PsglError } from "@psgl/sdk";
import { z } from "zod";
import { writeAtomically } from "../files/write-atomically.js";
import type { Rollout, RolloutDesk } from "./rollout.js";
import type { RolloutStatus } from "./rollout-status.js";

/** Milliseconds between looks at the file of the other side. */
const pollMs = 500;

const orderSchema = z.discriminatedUnion("order", [
	z.strictObject({ order: z.literal("start"), artifact: z.string(), percentage: z.number() }),
	z.strictObject({ order: z.literal("percentage"), percentage: z.number() }),
	z.strictObject({ order: z.literal("halt") }),
	z.strictObject({ order: z.literal("rollback") }),
	z.strictObject({ order: z.literal("status") }),
]);

/** What an operator wants of the roll-out of a running cloud. `artifact`: path of the candidate. */
export type RolloutOrder = z.infer<typeof orderSchema>;

const envelopeSchema = z.strictObject({ id: z.string().min(1).max(64), order: orderSchema });

/** What became of an order. */
export type RolloutAnswer =
	| { readonly id: string; readonly status: RolloutStatus }
	| { readonly id: string; readonly error: Readonly<Record<"code" | "what", string>> & RefusedParts };

interface RefusedParts {
	readonly got?: string | undefined;
	readonly expected?: string | undefined;
	readonly remedy?: string | undefined;
}

const files = (folder: string) => ({ order: join(folder, "order.json"), answer: join(folder, "answer.json") });

/** Leaves an order for the cloud whose roll-outs are in this folder. @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`. */
export async function leaveOrder(folder: string, order: RolloutOrder): Promise<string> {
	const id = crypto.randomUUID();
	try {
		await mkdir(folder, { recursive: true });
		await writeAtomically(files(folder).order, JSON.stringify({ id, order }));
	} catch (cause) {
		throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
			what: `no order can be left in the folder ${folder}`,
			got: (cause as Error).message,
			remedy: "Give the state folder of the cloud, and the right to write there",
			cause,
		});
	}
	return id;
}

/** The answer to an order; undefined where none comes in time: no cloud that serves works on this folder. */
export async function answerTo(folder: string, id: string, signal: AbortSignal): Promise<RolloutAnswer | undefined> {
	const { answer: file } = files(folder);
	return new Promise((resolve) => {
		const look = async () => {
			const answer = await readAnswer(file);
			if (answer?.id === id) done(answer);
		};
		const done = (answer: RolloutAnswer | undefined) => {
			unwatchFile(file, look);
			signal.removeEventListener("abort", late);
			resolve(answer);
		};
		const late = () => done(undefined);
		signal.addEventListener("abort", late, { once: true });
		watchFile(file, { interval: pollMs }, look);
		void look();
		if (signal.aborted) late();
	});
}

/** Follows the orders that are left in a folder, each once, also those from before this process, until disposed. */
export function followOrders(folder: string, rollout: Rollout, onError: (error: unknown) => void): Disposable {
	const { order: file, answer } = files(folder);
	let busy: Promise<void> = Promise.resolve();
	const look = () => {
		busy = busy.then(async () => {
			const envelope = await readOrder(file);
			if (envelope === undefined || (await readAnswer(answer))?.id === envelope.id) return;
			const { id, order } = envelope;
			let result: RolloutAnswer;
			try {
				result = { id, status: await followOrder(rollout, order) };
			} catch (error) {
				if (!(error instanceof PsglError)) throw error;
				const { code, what, got, expected, remedy } = error;
				result = { id, error: { code, what, got, expected, remedy } };
				onError(error);
			}
			await writeAtomically(answer, JSON.stringify(result));
		});
		busy = busy.catch(onError);
	};
	watchFile(file, { interval: pollMs, persistent: false }, look);
	look();
	return {
		[Symbol.dispose]() {
			unwatchFile(file, look);
		},
	};
}

/** Gives an order to a roll-out. @throws as `Rollout`; DataError `PSGL_ROLLOUT_READ`. */
export async function followOrder(rollout: RolloutDesk, order: RolloutOrder): Promise<RolloutStatus> {
	switch (order.order) {
		case "start":
			return rollout.start(await readCandidate(order.artifact), order.percentage);
		case "percentage":
			return rollout.setPercentage(order.percentage);
		case "halt":
			return rollout.halt();
		case "rollback":
			return rollout.rollback();
		case "status":
			return rollout.status();
	}
}

async function readCandidate(file: string): Promise<Uint8Array> {
	try {
		return await readFile(file);
	} catch (cause) {
		throw new DataError("PSGL_ROLLOUT_READ", {
			what: `the candidate ${file} cannot be read`,
			got: (cause as Error).message,
			remedy: "Leave it where it is until the cloud has taken it up",
			cause,
		});
	}
}

/** Undefined where there is none. @throws DataError `PSGL_ROLLOUT_ORDER`. */
async function readOrder(file: string): Promise<z.infer<typeof envelopeSchema> | undefined> {
	const text = await readFile(file, "utf8").catch(() => undefined);
	if (text === undefined) return undefined;
	let got: string;
	try {
		const parsed = envelopeSchema.safeParse(JSON.parse(text));
		if (parsed.success) return parsed.data;
		got = parsed.error.issues[0]?.message ?? "";
	} catch (error) {
		got = (error as Error).message;
	}
	throw new DataError("PSGL_ROLLOUT_ORDER", {
		what: `${file} is no order for a roll-out`,
		got,
		remedy: "Give orders by psgl models rollout",
	});
}

/** Undefined where there is none, or half of one of another program. */
async function readAnswer(file: string): Promise<RolloutAnswer | undefined> {
	try {
		return JSON.parse(await readFile(file, "utf8")) as RolloutAnswer;
	} catch {
		return undefined;
	}
}
