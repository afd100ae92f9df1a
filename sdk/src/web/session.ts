import { ShapeError } from "../errors.js";
import type { Session, Tensors } from "../ports/runtime.js";
import type { DType, Tensor, TensorData } from "../tensor.js";

type Engine = typeof import("onnxruntime-web/wasm");
type EngineSession = import("onnxruntime-web/wasm").InferenceSession;

/** A graph compiled by onnxruntime-web. Runs queue up: WebAssembly takes one at a time. */
export class WebSession implements Session {
	readonly inputNames: readonly string[];
	readonly outputNames: readonly string[];
	readonly #session: EngineSession;
	readonly #engine: Engine;
	#last: Promise<unknown> = Promise.resolve();
	#closing: Promise<void> | undefined;

	constructor(session: EngineSession, engine: Engine) {
		this.#session = session;
		this.#engine = engine;
		this.inputNames = session.inputNames;
		this.outputNames = session.outputNames;
	}

	run(feeds: Tensors, fetches: readonly string[] = this.outputNames): Promise<Record<string, Tensor>> {
		const running = this.#last.then(() => this.#run(feeds, fetches));
		this.#last = running.catch(() => undefined);
		return running;
	}

	close(): Promise<void> {
		this.#closing ??= this.#last.then(() => this.#session.release());
		return this.#closing;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #run(feeds: Tensors, fetches: readonly string[]): Promise<Record<string, Tensor>> {
		const missing = this.inputNames.find((name) => feeds[name] === undefined);
		if (missing !== undefined) {
			throw new ShapeError("PSGL_RUNTIME_FEED", {
				what: "a graph input was not given",
				got: Object.keys(feeds).join(", "),
				expected: missing,
			});
		}
		try {
			const inputs: Record<string, InstanceType<Engine["Tensor"]>> = {};
			for (const name of this.inputNames) {
				const { dtype, data, dims } = feeds[name] as Tensor;
				inputs[name] = new this.#engine.Tensor(dtype as "float32", data as Float32Array, dims);
			}
			const results = await this.#session.run(inputs, fetches);
			return Object.fromEntries(fetches.map((name) => [name, result(results[name] as EngineTensor)]));
		} catch (cause) {
			const shapes = this.inputNames.map((name) => `${name} [${feeds[name]?.dims.join(",")}]`).join(", ");
			throw new ShapeError("PSGL_RUNTIME_FEED", {
				what: `a graph could not run: ${cause instanceof Error ? cause.message : String(cause)}`,
				got: shapes,
				cause,
			});
		}
	}
}

interface EngineTensor {
	readonly type: string;
	readonly dims: readonly number[];
	readonly data: ArrayBufferView;
}

function result({ type, dims, data }: EngineTensor): Tensor {
	const dtype = type as DType;
	// Browsers with Float16Array get one; the SDK carries float16 as bit patterns everywhere.
	const values = dtype === "float16" ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) : data;
	return { dtype, dims, data: values as TensorData[DType] };
}
