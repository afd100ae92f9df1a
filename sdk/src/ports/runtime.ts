import type { Tensor } from "../tensor.js";

/** Named tensors that go into or come out of a session. */
export type Tensors = Readonly<Record<string, Tensor>>;

export interface SessionOptions {
	/** Threads one run may use. Default 1. Another number splits sums elsewhere and may change the last bits of a result. */
	readonly threads?: number;
	/** Computes beside the caller, whose own work goes on meanwhile. Default false: the hand-over costs some 0.1 ms a run. A browser's runtime takes no notice. */
	readonly aside?: boolean;
	/** Writes the runtime's own profile of all runs to a file whose name starts so, when the session is closed. */
	readonly profilePrefix?: string;
}

/**
 * A compiled ONNX graph. Weights are inputs and outputs, so one session serves every step and every
 * device of a fleet; `run` may be called again before an earlier call has ended.
 */
export interface Session extends AsyncDisposable {
	readonly inputNames: readonly string[];
	readonly outputNames: readonly string[];
	/**
	 * Runs the graph. Inputs are not copied and must not change until the promise settles.
	 * @param into results that are written over the values of these tensors instead of into new memory, by the names of
	 * outputs; they must have the results' shapes. A runtime may leave them alone: what counts is what it returns.
	 * @throws ShapeError `PSGL_RUNTIME_FEED` when an input is missing or does not fit the graph.
	 */
	run(feeds: Tensors, fetches?: readonly string[], into?: Tensors): Promise<Record<string, Tensor>>;
	/** Closing again has no effect. */
	close(): Promise<void>;
}

/** Port to ONNX Runtime: `node` (onnxruntime-node) or `web` (onnxruntime-web). */
export interface Runtime {
	/** Engine name and version, for instance `onnxruntime-node 1.30.0`. */
	readonly version: string;
	/** @throws ArtifactError `PSGL_RUNTIME_LOAD` when the bytes are not a graph this runtime can run. */
	load(model: Uint8Array, options?: SessionOptions): Promise<Session>;
}

/** The runtime with another number of threads for sessions that do not ask for one themselves. */
export function withThreads(runtime: Runtime, threads: number | undefined): Runtime {
	if (threads === undefined) return runtime;
	return { version: runtime.version, load: (model, options) => runtime.load(model, { threads, ...options }) };
}
