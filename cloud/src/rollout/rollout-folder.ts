import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "@psgl/sdk";

import { writeAtomically } from "../files/write-atomically.js";
import { LatestCall } from "./latest-call.js";
import { noCounts, type RolloutCounts } from "./rollout-counts.js";
import { type DeviceStates, decodeRolloutState, encodeRolloutState, type RolloutFacts } from "./rollout-state.js";
import type { KeptFacts, RolloutStore } from "./rollout-store.js";

/** Files of a roll-out: its state and the candidate, each replaced whole or not at all. One process uses the folder, whose part is the whole fleet. */
export class RolloutFolder implements RolloutStore {
	readonly #state: string;
	readonly #candidate: string;
	readonly #folder: string;
	readonly #writes = new LatestCall();
	#kept: KeptFacts | undefined;
	/** What is known of devices, and of which roll-out. */
	#devices: { readonly id: string; readonly now: () => DeviceStates } | undefined;

	constructor(folder: string) {
		this.#folder = folder;
		this.#state = join(folder, "rollout.json");
		this.#candidate = join(folder, "candidate.psgl");
	}

	async read(): Promise<KeptFacts | undefined> {
		const bytes = await read(this.#state);
		if (bytes === undefined) return undefined;
		const { devices, ...facts } = decodeRolloutState(bytes.toString("utf8"), this.#state);
		this.#devices = { id: facts.id, now: () => devices };
		this.#kept = { facts, revision: (this.#kept?.revision ?? 0) + 1 };
		return this.#kept;
	}

	async replace(facts: RolloutFacts, revision: number): Promise<KeptFacts | undefined> {
		if (revision !== (this.#kept?.revision ?? 0)) return undefined;
		const before = this.#kept;
		const kept = { facts, revision: revision + 1 };
		this.#kept = kept;
		try {
			await this.#write();
		} catch (error) {
			this.#kept = before;
			throw error;
		}
		return kept;
	}

	async writeCandidate(_artifact: string, bytes: Uint8Array): Promise<void> {
		await this.#put(this.#candidate, bytes);
	}

	async readCandidate(): Promise<Uint8Array> {
		const bytes = await read(this.#candidate);
		if (bytes !== undefined) return bytes;
		throw unreadable(this.#candidate, new Error("it is not there"));
	}

	async readDevices(id: string): Promise<DeviceStates> {
		return this.#devices?.id === id ? this.#devices.now() : [];
	}

	writeDevices(id: string, now: () => DeviceStates): Promise<void> {
		this.#devices = { id, now };
		return this.#write();
	}

	elsewhere(): RolloutCounts {
		return noCounts;
	}

	watch(): Disposable {
		return { [Symbol.dispose]: () => undefined };
	}

	#write(): Promise<void> {
		return this.#writes.call(async () => {
			if (this.#kept === undefined) return;
			const { facts } = this.#kept;
			const devices = this.#devices?.id === facts.id ? [...this.#devices.now()] : [];
			await this.#put(
				this.#state,
				encodeRolloutState({ ...facts, devices: devices.map(([id, state]) => [id, state]) }),
			);
		});
	}

	async #put(file: string, content: Uint8Array | string): Promise<void> {
		try {
			await mkdir(this.#folder, { recursive: true });
			await writeAtomically(file, content);
		} catch (cause) {
			throw new DataError("PSGL_ROLLOUT_WRITE", {
				what: `the roll-out cannot be written to ${file}`,
				got: (cause as Error).message,
				remedy: "Make room, or the folder writable, and give the order again",
				cause,
			});
		}
	}
}

async function read(file: string): Promise<Buffer | undefined> {
	try {
		return await readFile(file);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw unreadable(file, error as Error);
	}
}

function unreadable(file: string, cause: Error): DataError {
	return new DataError("PSGL_ROLLOUT_READ", {
		what: `the roll-out's file ${file} cannot be read`,
		got: cause.message,
		remedy: "Put it back or make it readable; without its folder every device gets the model that is served",
		cause,
	});
}
