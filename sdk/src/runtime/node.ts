import { createRequire } from "node:module";
import { ArtifactError, ShapeError } from "../errors.js";
import type { Runtime, Session, SessionOptions, Tensors } from "../ports/runtime.js";
import type { DType, Tensor, TensorData } from "../tensor.js";
import { ResultCollector } from "./result-collector.js";

// ONNX Runtime >= 1.29 reports usage unless this is set before its library loads, which is why
// nothing else in psgl may import onnxruntime-node.
process.env.ORT_DISABLE_TELEMETRY = "1";
const require = createRequire(import.meta.url);
const ort = require("onnxruntime-node") as typeof import("onnxruntime-node");
const { version } = require("onnxruntime-node/package.json") as { version: string };

const collector = new ResultCollector();

/** ONNX Runtime's CPU execution provider in Node. */
export const nodeRuntime: Runtime = {
	version: `onnxruntime-node ${version}`,
	async load(model, options = {}) {
		return new NodeSession(await createSession(model, options));
	},
};

async function createSession(model: Uint8Array, options: SessionOptions) {
	try {
		return await ort.InferenceSession.create(model, {
			executionProviders: ["cpu"],
			graphOptimizationLevel: "extended",
			intraOpNumThreads: options.threads ?? 1,
			interOpNumThreads: 1,
			executionMode: "sequential",
			// Planning one block for all values of a run costs 5 MiB on a small device and saves no time.
			enableMemPattern: false,
			logSeverityLevel: 3,
			extra: {
				session: {
					// Spinning threads would take the cores from other sessions in the same process.
					intra_op: { allow_spinning: "0" },
				},
			},
		});
	} catch (cause) {
		throw new ArtifactError("PSGL_RUNTIME_LOAD", {
			what: "ONNX Runtime cannot load a graph",
			got: `${model.byteLength} bytes: ${(cause as Error).message}`,
			remedy: "Compile the artifact again with this version of psgl",
			cause,
		});
	}
}

class NodeSession implements Session {
	readonly inputNames: readonly string[];
	readonly outputNames: readonly string[];
	readonly #session: Awaited<ReturnType<typeof createSession>>;
	#closed = false;

	constructor(session: Awaited<ReturnType<typeof createSession>>) {
		this.#session = session;
		this.inputNames = session.inputNames;
		this.outputNames = session.outputNames;
	}

	async run(feeds: Tensors, fetches: readonly string[] = this.outputNames): Promise<Record<string, Tensor>> {
		const missing = this.inputNames.find((name) => feeds[name] === undefined);
		if (missing !== undefined) {
			throw new ShapeError("PSGL_RUNTIME_FEED", {
				what: "a graph input was not given",
				got: Object.keys(feeds).join(", "),
				expected: missing,
			});
		}
		collector.collectIfDue();
		let results: Awaited<ReturnType<typeof this.run>>;
		try {
			const inputs: Record<string, InstanceType<typeof ort.Tensor>> = {};
			for (const name of this.inputNames) {
				const value = feeds[name] as Tensor;
				inputs[name] = new ort.Tensor(value.dtype as "float32", value.data as Float32Array, value.dims);
			}
			results = (await this.#session.run(inputs, fetches as string[])) as unknown as Record<string, Tensor>;
		} catch (cause) {
			const shapes = this.inputNames.map((n) => `${n} [${feeds[n]?.dims.join(",")}]`).join(", ");
			throw new ShapeError("PSGL_RUNTIME_FEED", {
				what: `a graph could not run: ${(cause as Error).message}`,
				got: shapes,
				cause,
			});
		}
		const outputs: Record<string, Tensor> = {};
		for (const name of fetches) {
			const t = results[name] as unknown as { type: DType; dims: readonly number[]; data: TensorData[DType] };
			outputs[name] = { dtype: t.type, dims: t.dims, data: t.data };
			collector.count(t.data.byteLength);
		}
		return outputs;
	}

	async close(): Promise<void> {
		if (this.#closed) return;
		this.#closed = true;
		await this.#session.release();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
