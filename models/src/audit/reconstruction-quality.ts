import type { Runtime, Session, Tensor } from "@psgl/sdk";
import { GraphBuilder } from "../graph/builder.js";
import { encodeModel } from "../onnx/write.js";
import { similarity } from "./similarity.js";
import { meanOfEach } from "./structural-similarity.js";

type Real = Tensor<"float32">;

/** How near reconstructions come to their originals, means over the samples. */
export interface Quality {
	/** Mean squared error of values in [0,1]. */
	readonly mse: number;
	/** Peak signal-to-noise ratio in dB; equal samples count 100 dB. */
	readonly psnr: number;
	/** SSIM of pictures, correlation of signals. */
	readonly similarity: number;
	/** [N] similarity of each sample. */
	readonly each: Float32Array;
}

const leastError = 1e-10;

/** Measures reconstructions of samples of one shape. */
export class ReconstructionQuality implements AsyncDisposable {
	readonly #session: Session;

	private constructor(session: Session) {
		this.#session = session;
	}

	/** `shape`: [C,H,W] or [C,L]. */
	static async load(runtime: Runtime, shape: readonly number[], threads = 1): Promise<ReconstructionQuality> {
		const g = new GraphBuilder("audit/quality");
		const original = g.input("original", "float32", ["B", ...shape]);
		const guess = g.input("reconstruction", "float32", ["B", ...shape]);
		const difference = g.add("Sub", [original, guess]);
		g.output("mse", meanOfEach(g, g.add("Mul", [difference, difference])));
		g.output("similarity", similarity(g, original, guess, shape));
		return new ReconstructionQuality(await runtime.load(encodeModel(g.build()), { threads }));
	}

	/** Both [N, ...shape], values in [0,1]. */
	async measure(original: Real, reconstruction: Real): Promise<Quality> {
		const out = await this.#session.run({ original, reconstruction });
		const errors = (out.mse as Real).data;
		const each = (out.similarity as Real).data;
		const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
		return {
			mse: mean(errors),
			psnr: mean(Array.from(errors, (error) => -10 * Math.log10(Math.max(error, leastError)))),
			similarity: mean(each),
			each,
		};
	}

	async close(): Promise<void> {
		await this.#session.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
