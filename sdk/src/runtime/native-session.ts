import koffi from "koffi";
import { dataType, dtypeOf } from "../data-type.js";
import { bytesPerElement, type DType, elementCount, type Tensor, zeros } from "../tensor.js";
import type { Handle, OrtLibrary } from "./ort-library.js";
import { unfilledTensor } from "./unfilled-tensor.js";

/** An input or output of a session. An axis is its extent or the name it has in the graph, "" for none. */
export interface Signature {
	readonly name: string;
	readonly axes: readonly (number | string)[];
	/** Those of them that have a name. */
	readonly named: readonly { readonly axis: number; readonly name: string }[];
	/** Undefined for types no tensor of psgl has. */
	readonly dtype: DType | undefined;
	/** The name as ONNX Runtime takes it. */
	readonly text: Handle;
}

/**
 * A session of ONNX Runtime by its C interface. Unlike the package's own binding it lets the runtime write results straight
 * into arrays of JavaScript, and into arrays the caller gives again and again (docs/performance.md).
 */
export class NativeSession {
	readonly inputs: readonly Signature[];
	readonly outputs: readonly Signature[];
	readonly #ort: OrtLibrary;
	readonly #memory: Handle;
	readonly #aside: boolean;
	readonly #inputTexts: BigUint64Array;
	/** Names of outputs that were asked for before. */
	readonly #outputTexts = new WeakMap<readonly Signature[], BigUint64Array>();
	/** Where a call reads a shape of each rank, and writes a handle: made once, as a run hands over dozens of tensors. */
	readonly #shapes: BigInt64Array[] = [];
	readonly #handle = new BigUint64Array(1);
	#session: Handle;
	/** What runs under way read and write: native code refers to it by addresses alone, and the session is released after the last. */
	readonly #held = new Set<object>();
	#closed = false;

	/**
	 * @param memory OrtMemoryInfo of the processor's memory
	 * @param aside runs on another thread
	 */
	constructor(ort: OrtLibrary, memory: Handle, session: Handle, aside: boolean) {
		this.#ort = ort;
		this.#memory = memory;
		this.#session = session;
		this.#aside = aside;
		this.inputs = this.#signatures("Input");
		this.outputs = this.#signatures("Output");
		this.#inputTexts = texts(this.inputs);
	}

	/**
	 * @param feeds a tensor for each of `inputs`
	 * @param into memory for the results, which must have their sizes; made where it is undefined
	 */
	async run(
		feeds: readonly Tensor[],
		outputs: readonly Signature[],
		into: readonly (Tensor | undefined)[],
	): Promise<readonly Tensor[]> {
		const { inputs } = this;
		const extents = new Map<string, number>();
		for (const [i, { named }] of inputs.entries()) {
			const { dims } = feeds[i] as Tensor;
			for (const { axis, name } of named) if (dims[axis] !== undefined) extents.set(name, dims[axis]);
		}
		const known = outputs.map((output, i) => into[i] ?? allocate(output, extents));
		try {
			return await this.#attempt(feeds, outputs, known);
		} catch (error) {
			// The shapes a session declares are wrong for some windows (ceil_mode, output_shape): let the runtime make the results.
			if (known.every((result, i) => result === into[i])) throw error;
			return await this.#attempt(feeds, outputs, into);
		}
	}

	/** @param results memory for results; the runtime makes those that are undefined */
	async #attempt(
		feeds: readonly Tensor[],
		outputs: readonly Signature[],
		results: readonly (Tensor | undefined)[],
	): Promise<readonly Tensor[]> {
		if (this.#closed) throw new Error("the session is closed");
		const { inputs } = this;
		const values = new BigUint64Array(inputs.length + outputs.length);
		try {
			for (let i = 0; i < inputs.length; i++) values[i] = this.#wrap(feeds[i] as Tensor);
			for (let i = 0; i < outputs.length; i++) {
				const result = results[i];
				if (result !== undefined) values[inputs.length + i] = this.#wrap(result);
			}
			const given = values.subarray(0, inputs.length);
			const wanted = values.subarray(inputs.length);
			const names = this.#textsOf(outputs);
			const call = [this.#session, null, this.#inputTexts, given, given.length, names, wanted.length, wanted] as const;
			if (this.#aside) await this.#holding({ feeds, results, call }, () => this.#ort.runAside(...call));
			else this.#ort.run(...call);
			return results.map((result, i) => result ?? this.#copy(wanted[i] as Handle));
		} finally {
			for (let i = 0; i < values.length; i++) if (values[i] !== 0n) this.#ort.releaseValue(values[i] as Handle);
		}
	}

	async #holding(held: object, run: () => Promise<void>): Promise<void> {
		this.#held.add(held);
		try {
			await run();
		} finally {
			this.#held.delete(held);
			if (this.#closed) this.close();
		}
	}

	/** After the last run that is under way. Closing again has no effect. */
	close(): void {
		this.#closed = true;
		if (this.#held.size > 0) return;
		if (this.#session !== 0n) this.#ort.releaseSession(this.#session);
		this.#session = 0n;
	}

	/** The runtime's own object for a tensor, in the tensor's memory. */
	#wrap({ dtype, dims, data }: Tensor): Handle {
		const rank = dims.length;
		this.#shapes[rank] ??= new BigInt64Array(rank);
		const shape = this.#shapes[rank];
		for (let i = 0; i < rank; i++) shape[i] = BigInt(dims[i] as number);
		const handle = this.#handle;
		this.#ort.createTensorWithData(this.#memory, data, data.byteLength, shape, rank, dataType[dtype], handle);
		return handle[0] as Handle;
	}

	#textsOf(outputs: readonly Signature[]): BigUint64Array {
		const known = this.#outputTexts.get(outputs) ?? texts(outputs);
		this.#outputTexts.set(outputs, known);
		return known;
	}

	/** A result of a shape that was not known ahead. */
	#copy(value: Handle): Tensor {
		const ort = this.#ort;
		const info = handleFrom((out) => ort.getTensorTypeAndShape(value, out));
		try {
			const { dtype, dims } = this.#describe(info);
			if (dtype === undefined) throw new Error("a result has an element type psgl does not use");
			const result = zeros(dtype, dims);
			const bytes = elementCount(dims) * bytesPerElement[dtype];
			const data = handleFrom((out) => ort.getTensorMutableData(value, out));
			const target = new Uint8Array(result.data.buffer);
			if (bytes > 0) target.set(new Uint8Array(koffi.view(data, bytes)));
			return result;
		} finally {
			ort.releaseTensorInfo(info);
		}
	}

	/** Element type and extents; unknown ones are -1. */
	#describe(info: Handle): { dtype: DType | undefined; dims: readonly number[] } {
		const type = new Int32Array(1);
		this.#ort.getTensorElementType(info, type);
		const rank = Number(handleFrom((out) => this.#ort.getDimensionsCount(info, out)));
		const dims = new BigInt64Array(rank);
		if (rank > 0) this.#ort.getDimensions(info, dims, rank);
		return { dtype: dtypeOf(type[0] as number), dims: Array.from(dims, Number) };
	}

	#signatures(kind: "Input" | "Output"): readonly Signature[] {
		const ort = this.#ort;
		const session = this.#session;
		const allocator = handleFrom((out) => ort.getAllocator(out));
		const count = Number(handleFrom((out) => ort[`sessionGet${kind}Count`](session, out)));
		return Array.from({ length: count }, (_, i) => {
			const text = handleFrom((out) => ort[`sessionGet${kind}Name`](session, i, allocator, out));
			const typeInfo = handleFrom((out) => ort[`sessionGet${kind}TypeInfo`](session, i, out));
			const info = handleFrom((out) => ort.castTypeInfoToTensorInfo(typeInfo, out));
			const { dtype, dims } = this.#describe(info);
			const names = new BigUint64Array(dims.length);
			if (dims.length > 0) ort.getSymbolicDimensions(info, names, dims.length);
			const axes = dims.map((extent, axis) => (extent >= 0 ? extent : textAt(names[axis] as Handle)));
			ort.releaseTypeInfo(typeInfo);
			const named = axes.flatMap((name, axis) => (typeof name === "string" && name !== "" ? [{ axis, name }] : []));
			return { name: textAt(text), axes, named, dtype, text };
		});
	}
}

/** Memory for a result, where its shape is known from those of the inputs. */
function allocate({ axes, dtype }: Signature, extents: ReadonlyMap<string, number>): Tensor | undefined {
	const dims = axes.map((axis) => (typeof axis === "number" ? axis : extents.get(axis)));
	if (dtype === undefined || dims.includes(undefined)) return undefined;
	return unfilledTensor(dtype, dims as number[]);
}

const texts = (signatures: readonly Signature[]) => BigUint64Array.from(signatures, ({ text }) => text);

const textAt = (text: Handle) => koffi.decode(text, "char", -1) as string;

/** What a function writes behind its last argument. */
export function handleFrom(call: (out: BigUint64Array) => void): Handle {
	const out = new BigUint64Array(1);
	call(out);
	return out[0] as Handle;
}
