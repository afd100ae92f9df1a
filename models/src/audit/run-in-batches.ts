import type { Session, Tensor, Tensors } from "@psgl/sdk";

type Real = Tensor<"float32">;

export interface BatchRun {
	readonly session: Session;
	/** Inputs that are the same for all batches. */
	readonly feeds?: Tensors;
	/** Name of the input that gets the samples. */
	readonly input: string;
	readonly output: string;
	readonly batchSize: number;
	readonly signal?: AbortSignal | undefined;
}

/** Runs samples [N,...] through a graph a batch at a time: [N,...] of the output. */
export async function runInBatches(x: Real, run: BatchRun): Promise<Real> {
	const { session, feeds = {}, input, output, batchSize, signal } = run;
	const count = x.dims[0] as number;
	let result: Real | undefined;
	for (let start = 0; start < count; start += batchSize) {
		signal?.throwIfAborted();
		const out = await session.run({ ...feeds, [input]: rows(x, start, Math.min(start + batchSize, count)) }, [output]);
		const part = out[output] as Real;
		const size = part.data.length / (part.dims[0] as number);
		result ??= { dtype: "float32", dims: [count, ...part.dims.slice(1)], data: new Float32Array(count * size) };
		result.data.set(part.data, start * size);
	}
	return result ?? { dtype: "float32", dims: [0], data: new Float32Array(0) };
}

/** Samples `start` to `end` (not included) of [N,...], a view. */
export function rows(x: Real, start: number, end: number): Real {
	const size = x.data.length / (x.dims[0] as number);
	return { ...x, dims: [end - start, ...x.dims.slice(1)], data: x.data.subarray(start * size, end * size) };
}

/** The samples at `indices` of [N,...], copied. */
export function gather(x: Real, indices: ArrayLike<number>): Real {
	const size = x.data.length / (x.dims[0] as number);
	const data = new Float32Array(indices.length * size);
	for (let i = 0; i < indices.length; i++) {
		const from = (indices[i] as number) * size;
		data.set(x.data.subarray(from, from + size), i * size);
	}
	return { ...x, dims: [indices.length, ...x.dims.slice(1)], data };
}

/** At most `count` samples of [N,...] from the first on, copied. */
export function firstRows(x: Real, count: number): Real {
	const part = rows(x, 0, Math.min(count, x.dims[0] as number));
	return { ...part, data: part.data.slice() };
}

/** Several [n,...] one after the other: [N,...]. */
export function joinRows(parts: readonly Real[]): Real {
	const count = parts.reduce((sum, { dims }) => sum + (dims[0] as number), 0);
	const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
	let at = 0;
	for (const part of parts) {
		data.set(part.data, at);
		at += part.data.length;
	}
	return { dtype: "float32", dims: [count, ...(parts[0]?.dims.slice(1) ?? [])], data };
}
