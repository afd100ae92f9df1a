import { type Artifact, artifactTensor, optimiserStateLength } from "../artifact/index.js";
import { clearVanished } from "../clear-vanished.js";
import { NumericError, ShapeError } from "../errors.js";
import type { Tensors } from "../ports/runtime.js";
import { type ClientWeights, requireFinite } from "../protocol/index.js";
import { readRecord, writeRecord } from "../store/record.js";
import { scalar, type Tensor, tensorBytes, tensorFromBytes, zeros } from "../tensor.js";

type Flat = Tensor<"float32">;

/** A client state as a device's store holds it; vectors as bytes, little-endian. */
interface ClientRecord {
	readonly version: number;
	readonly changed: boolean;
	readonly step: number;
	readonly vectors: Readonly<Record<"params" | "stats" | "head" | "slots" | "headSlots", Uint8Array>>;
}

/**
 * What one device learns: the flat weights of its client segment and local head, and the state of their optimisers.
 * The vectors are replaced, never written into, so a message or a running graph may hold on to them.
 */
export class ClientState {
	#version: number;
	#changed = false;
	#weights: ClientWeights;
	#slots: Flat;
	#headSlots: Flat;
	#step = 0;

	/** Starts from the artifact's weights. */
	constructor(artifact: Artifact) {
		const { manifest } = artifact;
		this.#version = manifest.version;
		this.#weights = {
			params: artifactTensor(artifact, "client/params"),
			stats: artifactTensor(artifact, "client/stats"),
			head: artifactTensor(artifact, "client/head"),
		};
		this.#slots = zeros("float32", [optimiserStateLength(manifest, "client")]);
		this.#headSlots = zeros("float32", [optimiserStateLength(manifest, "head")]);
	}

	/** The state in bytes, for the device's store. */
	get record(): Uint8Array {
		const { params, stats, head } = this.#weights;
		return writeRecord({
			version: this.#version,
			changed: this.#changed,
			step: this.#step,
			vectors: {
				params: tensorBytes(params),
				stats: tensorBytes(stats),
				head: tensorBytes(head),
				slots: tensorBytes(this.#slots),
				headSlots: tensorBytes(this.#headSlots),
			},
		} satisfies ClientRecord);
	}

	/** Goes back to a state in bytes that was made with the same artifact. */
	restore(record: Uint8Array): void {
		const { version, changed, step, vectors } = readRecord<ClientRecord>(record);
		const flat = (bytes: Uint8Array) => tensorFromBytes("float32", [bytes.length / 4], bytes);
		this.#version = version;
		this.#changed = changed;
		this.#step = step;
		this.#weights = { params: flat(vectors.params), stats: flat(vectors.stats), head: flat(vectors.head) };
		this.#slots = flat(vectors.slots);
		this.#headSlots = flat(vectors.headSlots);
	}

	/** Version of the weights, as the aggregator counts them, that the device started from. */
	get version(): number {
		return this.#version;
	}

	/** True while the weights are exactly those of `version`: no step has been made since they came. */
	holds(version: number): boolean {
		return !this.#changed && this.#version === version;
	}

	get weights(): ClientWeights {
		return this.#weights;
	}

	/** Optimiser steps made so far. */
	get steps(): number {
		return this.#step;
	}

	/**
	 * Takes over weights from the aggregator. The optimiser keeps its state.
	 * @throws ShapeError `PSGL_DEVICE_WEIGHTS` when they are not as long as the artifact says.
	 */
	load(weights: ClientWeights, version: number): void {
		for (const name of ["params", "stats", "head"] as const) {
			const got = weights[name].data.length;
			const expected = this.#weights[name].data.length;
			if (got === expected) continue;
			throw new ShapeError("PSGL_DEVICE_WEIGHTS", {
				what: `the ${name} vector from the aggregator does not fit the device's artifact`,
				got: `${got} values`,
				expected: `${expected} values`,
				remedy: "Restart the aggregator with the artifact it announces to devices",
			});
		}
		this.#weights = weights;
		this.#version = version;
		this.#changed = false;
	}

	/** Inputs of the client graphs that come from this state. */
	feeds(): Tensors {
		const { params, stats, head } = this.#weights;
		return {
			params,
			stats,
			head,
			slots: this.#slots,
			headSlots: this.#headSlots,
			// Counted from 1, as Adam's bias correction needs it (Kingma and Ba, ICLR 2015, algorithm 1).
			step: scalar(this.#step + 1),
		};
	}

	/**
	 * Takes over what `client/train` computed.
	 * @throws NumericError `PSGL_DEVICE_DIVERGED` when a weight is no longer finite; the state stays as it was.
	 */
	advance(outputs: Readonly<Record<string, Tensor>>): void {
		const next = (name: string) => outputs[`next_${name}`] as Flat;
		const weights = { params: next("params"), stats: next("stats"), head: next("head") };
		try {
			for (const [name, vector] of Object.entries(weights)) requireFinite(vector, name);
		} catch (cause) {
			throw new NumericError("PSGL_DEVICE_DIVERGED", {
				what: "training on the device diverged",
				got: (cause as Error).message,
				remedy: "Lower the learning rate, and check that the data lie in [0, 1]",
				cause,
			});
		}
		this.#weights = weights;
		this.#slots = next("slots");
		this.#headSlots = next("headSlots");
		this.#step++;
		this.#changed = true;
		clearVanished(this.#slots.data, this.#step);
		clearVanished(this.#headSlots.data, this.#step);
	}
}
