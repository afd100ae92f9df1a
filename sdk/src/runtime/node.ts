import { setImmediate } from "node:timers/promises";
import { ShapeError } from "../errors.js";
import type { Provider } from "../ports/provider.js";
import type { Runtime, Session, Tensors } from "../ports/runtime.js";
import { vectorPart } from "../ports/vector-part.js";
import { elementCount, type Tensor, zeros } from "../tensor.js";
import { blockProbe } from "./block-probe.js";
import { withBlockedConvolutions } from "./blocked-convolutions.js";
import { createSession, memory, ort } from "./create-session.js";
import { IdleMemory } from "./idle-memory.js";
import { NativeSession, type Signature } from "./native-session.js";
import type { Handle } from "./ort-library.js";
import { builtProviders } from "./provider.js";
import { ResultCollector } from "./result-collector.js";
import { unfilledTensor } from "./unfilled-tensor.js";

export type { Provider } from "../ports/provider.js";

const collector = new ResultCollector();
/** Channels of a block of this processor's kernels, 0 where there are none; measured when the first graph is loaded. */
let processorBlock: Promise<number> | undefined;
const idle = new IdleMemory();

/** ONNX Runtime's CPU execution provider in Node. */
export const nodeRuntime: Runtime = {
	version: `onnxruntime-node ${ort.version}`,
	async load(model, options = {}) {
		await setImmediate();
		idle.used();
		const session = createSession(await forProcessor(model), options);
		return new NodeSession(session, options.aside);
	},
};

/** Lets results that nobody holds any more take eight times the memory before they are collected: for processes that serve many devices. */
export function useRoomForResults(): void {
	collector.useRoom();
}

/** Execution providers the installed ONNX Runtime was built with, by its own names. */
export function availableProviders(): readonly string[] {
	return builtProviders(ort);
}

export interface ProviderOptions {
	readonly provider: Provider;
	/** Called once, with the reason, when the provider cannot be used and the processor computes instead. */
	readonly onFallback: (reason: string) => void;
}

/**
 * ONNX Runtime on an execution provider by name. Where that is not built in, lacks its drivers, or cannot load a graph, the processor
 * takes its place, for good. Results differ from the processor's in their last bits.
 */
export function nodeRuntimeOn({ provider, onFallback }: ProviderOptions): Runtime {
	let current = provider;
	return {
		get version() {
			return current === "cpu" ? nodeRuntime.version : `${nodeRuntime.version} (${current})`;
		},
		async load(model, options = {}) {
			await setImmediate();
			if (current !== "cpu") {
				try {
					idle.used();
					const session = createSession(model, options, current);
					return new NodeSession(session, options.aside);
				} catch (error) {
					current = "cpu";
					onFallback((error as Error).message);
				}
			}
			return nodeRuntime.load(model, options);
		},
	};
}

/** The model as this processor computes it fastest; as it is where its bytes make no sense: the runtime says what is wrong with them. */
async function forProcessor(model: Uint8Array): Promise<Uint8Array> {
	processorBlock ??= measureBlock();
	const block = await processorBlock;
	try {
		return block > 0 ? withBlockedConvolutions(model, block) : model;
	} catch (error) {
		if (error instanceof RangeError) return model;
		throw error;
	}
}

async function measureBlock(): Promise<number> {
	let handle: Handle;
	try {
		handle = createSession(blockProbe(), {});
	} catch {
		return 0;
	}
	const session = new NativeSession(ort, memory, handle, false);
	try {
		const [blocked] = await session.run([zeros("float32", [1, 4, 1, 1])], session.outputs, [undefined]);
		return blocked?.dims[1] ?? 0;
	} finally {
		session.close();
	}
}

/** A run that took no longer than this, milliseconds, is not worth a wait. */
const shortMs = 1;
/** But after so many milliseconds what waits goes first all the same. */
const holdMs = 50;
/** When what waited last went first. */
let letAt = 0;

/**
 * A run holds this thread: timers, sockets and other runs that wait go first. Not before a short one, which is mostly the last of a row: a batch that is made
 * would lie here until those of all other devices of the process are made as well.
 */
async function letOthers(expectedMs: number): Promise<void> {
	if (expectedMs < shortMs && performance.now() - letAt < holdMs) return;
	await setImmediate();
	letAt = performance.now();
}

class NodeSession implements Session {
	readonly inputNames: readonly string[];
	readonly outputNames: readonly string[];
	readonly #session: NativeSession;
	readonly #aside: boolean;
	/** How long the last run took. */
	#lastMs = Number.POSITIVE_INFINITY;
	readonly #inputs: readonly Bound[];
	/** Inputs that are vectors in pieces. */
	readonly #vectors: ReadonlyMap<string, readonly Bound[]>;
	readonly #outputs: ReadonlyMap<string, readonly Bound[]>;
	/** By lists of names that were asked for before. */
	readonly #known = new WeakMap<readonly string[], Wanted>();

	constructor(handle: Handle, aside = false) {
		const session = new NativeSession(ort, memory, handle, aside);
		this.#session = session;
		this.#aside = aside;
		this.#inputs = session.inputs.map(bound);
		this.#vectors = byName(this.#inputs.filter(({ offset }) => offset !== undefined));
		this.#outputs = byName(session.outputs.map(bound));
		this.inputNames = [...new Set(this.#inputs.map(({ name }) => name))];
		this.outputNames = [...this.#outputs.keys()];
	}

	async run(feeds: Tensors, fetches: readonly string[] = this.outputNames, into: Tensors = {}) {
		const missing = this.inputNames.find((name) => feeds[name] === undefined);
		if (missing !== undefined) {
			throw new ShapeError("PSGL_RUNTIME_FEED", {
				what: "a graph input was not given",
				got: Object.keys(feeds).join(", "),
				expected: missing,
			});
		}
		// One that runs beside this thread holds nothing up.
		if (!this.#aside) await letOthers(this.#lastMs);
		idle.used();
		collector.collectIfDue();
		try {
			const started = performance.now();
			const results = await this.#run(feeds, fetches, into);
			this.#lastMs = performance.now() - started;
			return results;
		} catch (cause) {
			const shapes = this.inputNames.map((n) => `${n} [${feeds[n]?.dims.join(",")}]`).join(", ");
			throw new ShapeError("PSGL_RUNTIME_FEED", {
				what: `a graph could not run: ${(cause as Error).message}`,
				got: shapes,
				cause,
			});
		}
	}

	async #run(feeds: Tensors, fetches: readonly string[], into: Tensors): Promise<Record<string, Tensor>> {
		const results: Record<string, Tensor> = {};
		const { outputs, signatures } = this.#wanted(fetches);
		const memory: (Tensor | undefined)[] = [];
		for (const [name, parts] of outputs) {
			const given = into[name];
			if (given !== undefined) requireWhole(name, given, parts);
			const vector = given ?? emptyVector(parts);
			if (vector !== undefined) results[name] = vector;
			for (const part of parts) memory.push(vector && piece(vector, part));
		}
		for (const [name, parts] of this.#vectors) requireWhole(name, feeds[name] as Tensor, parts);
		const inputs = this.#inputs.map((input) => piece(feeds[input.name] as Tensor, input));
		const computed = await this.#session.run(inputs, signatures, memory);
		let at = 0;
		for (const [name, parts] of outputs) {
			const result = results[name] ?? (computed[at] as Tensor);
			results[name] = result;
			at += parts.length;
			if (into[name] === undefined) collector.count(result.data.byteLength);
		}
		return results;
	}

	#wanted(fetches: readonly string[]): Wanted {
		const known = this.#known.get(fetches);
		if (known !== undefined) return known;
		const outputs = fetches.map((name) => {
			const parts = this.#outputs.get(name);
			if (parts === undefined) throw new Error(`no output ${name}; there are ${this.outputNames.join(", ")}`);
			return [name, parts] as const;
		});
		const wanted = { outputs, signatures: outputs.flatMap(([, parts]) => parts.map(({ signature }) => signature)) };
		this.#known.set(fetches, wanted);
		return wanted;
	}

	async close(): Promise<void> {
		this.#session.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

/** Results that a run is asked for, with the pieces they come in. */
interface Wanted {
	readonly outputs: readonly (readonly [name: string, parts: readonly Bound[]])[];
	/** Of all pieces, in order. */
	readonly signatures: readonly Signature[];
}

/** An input or output of a graph under the name a session has for it. */
interface Bound {
	readonly signature: Signature;
	/** Its own, or the vector's it is a piece of. */
	readonly name: string;
	/** Where the piece starts; undefined for what is whole. */
	readonly offset: number | undefined;
}

function bound(signature: Signature): Bound {
	const part = vectorPart(signature.name);
	return { signature, name: part?.vector ?? signature.name, offset: part?.offset };
}

function byName(all: readonly Bound[]): ReadonlyMap<string, readonly Bound[]> {
	const names = new Map<string, Bound[]>();
	for (const one of all) {
		const known = names.get(one.name);
		if (known === undefined) names.set(one.name, [one]);
		else known.push(one);
	}
	return names;
}

const extent = ({ signature }: Bound) => elementCount(signature.axes as readonly number[]);

/** Memory for a vector whose pieces are results; undefined for what is no vector in pieces. */
function emptyVector(parts: readonly Bound[]): Tensor | undefined {
	const [{ offset, signature } = {}] = parts;
	if (offset === undefined || signature?.dtype === undefined) return undefined;
	return unfilledTensor(signature.dtype, [totalOf(parts)]);
}

const totalOf = (parts: readonly Bound[]) => parts.reduce((sum, part) => sum + extent(part), 0);

function requireWhole(name: string, { data }: Tensor, parts: readonly Bound[]): void {
	if (parts[0]?.offset === undefined || data.length === totalOf(parts)) return;
	throw new Error(`${name} has ${data.length} values; its pieces take ${totalOf(parts)}`);
}

/** The part of a vector that an input or output stands for, in the vector's own memory. */
function piece(vector: Tensor, part: Bound): Tensor {
	if (part.offset === undefined) return vector;
	const end = part.offset + extent(part);
	const data = vector.data.subarray(part.offset, end);
	return { dtype: vector.dtype, dims: part.signature.axes as readonly number[], data };
}
