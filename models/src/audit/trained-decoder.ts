import { type Random, type Runtime, type Session, scalar, type Tensor, zeros } from "@psgl/sdk";
import { differentiate } from "../autodiff/differentiate.js";
import { int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import { bindSegment, declareSegment, pack, packStatistics, type SegmentLayout } from "../layers/parameter-scope.js";
import { encodeModel } from "../onnx/write.js";
import { adam } from "../optimisers/adam.js";
import { adamSlotsPerParameter } from "../optimisers/adam-of-pieces.js";
import { type DecoderSize, decoderNetwork } from "./decoder-network.js";
import { runInBatches } from "./run-in-batches.js";
import { similarity, similarityKind } from "./similarity.js";

type Real = Tensor<"float32">;

/** What a decoder is trained for. */
export type DecoderLoss = "similarity" | "squared-error";

export interface DecoderOptions {
	readonly runtime: Runtime;
	readonly threads: number;
	readonly random: Random;
	/** [Cs,...] */
	readonly smashedShape: readonly number[];
	/** [C,H,W] or [C,L] */
	readonly shape: readonly number[];
	readonly loss: DecoderLoss;
	readonly size?: DecoderSize;
}

export interface DecoderStep {
	readonly loss: number;
	/** [B,Cs,...]: the gradient of the loss with respect to the smashed data. */
	readonly smashedGradient: Real;
}

const batchSize = 32;
const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** A network from smashed data back to the sample, trained on pairs by Adam. */
export class TrainedDecoder implements AsyncDisposable {
	readonly #train: Session;
	readonly #decode: Session;
	#params: Tensor;
	#stats: Tensor;
	#slots: Tensor;
	#step = 0;

	private constructor(train: Session, decode: Session, layout: SegmentLayout, random: Random) {
		this.#train = train;
		this.#decode = decode;
		this.#params = vector(layout.params.initialise(random.fork("weights")));
		this.#stats = vector(layout.stats.initialise(random));
		this.#slots = zeros("float32", [adamSlotsPerParameter * layout.params.length]);
	}

	static async load(options: DecoderOptions): Promise<TrainedDecoder> {
		const { runtime, threads, random } = options;
		const { layout, train, decode } = decoderGraphs(options);
		return new TrainedDecoder(
			await runtime.load(train, { threads }),
			await runtime.load(decode, { threads }),
			layout,
			random,
		);
	}

	/** One step on pairs [B,Cs,...] and [B, ...shape]. */
	async step(smashed: Real, x: Real, learningRate: number): Promise<DecoderStep> {
		this.#step += 1;
		const out = await this.#train.run({
			smashed,
			x,
			params: this.#params,
			stats: this.#stats,
			slots: this.#slots,
			learningRate: scalar(learningRate),
			step: scalar(this.#step),
		});
		this.#params = out.next_params as Tensor;
		this.#stats = out.next_stats as Tensor;
		this.#slots = out.next_slots as Tensor;
		return { loss: (out.loss as Real).data[0] as number, smashedGradient: out.smashedGradient as Real };
	}

	/** The samples [N, ...shape] behind smashed data [N,Cs,...]. */
	decode(smashed: Real): Promise<Real> {
		const feeds = { params: this.#params, stats: this.#stats };
		return runInBatches(smashed, { session: this.#decode, feeds, input: "smashed", output: "x", batchSize });
	}

	async close(): Promise<void> {
		await this.#train.close();
		await this.#decode.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

function vector(data: Float32Array): Real {
	return { dtype: "float32", dims: [data.length], data };
}

function decoderGraphs({ smashedShape, shape, loss, size = "small" }: DecoderOptions) {
	const scratch = new GraphBuilder("audit/decoder");
	const declared = scratch.input("smashed", "float32", ["B", ...smashedShape]);
	const layout = declareSegment(scratch, (scope) => decoderNetwork(scratch, scope, declared, shape, size));
	const build = (training: boolean) => {
		const g = new GraphBuilder(`audit/decoder-${training ? "train" : "decode"}`);
		const smashed = g.input("smashed", "float32", ["B", ...smashedShape]);
		const params = g.input("params", "float32", [layout.params.length]);
		const decoder = bindSegment(g, layout, params, g.input("stats", "float32", [layout.stats.length]));
		const scope = decoder.scope(training);
		const guess = decoderNetwork(g, scope, smashed, shape, size);
		if (!training) {
			g.output("x", guess);
			return encodeModel(g.build());
		}
		const x = g.input("x", "float32", ["B", ...shape]);
		const learningRate = g.input("learningRate", "float32", []);
		const step = g.input("step", "float32", []);
		const slots = g.input("slots", "float32", [adamSlotsPerParameter * layout.params.length]);
		const difference = g.add("Sub", [guess, x]);
		let error = g.add("ReduceMean", [g.add("Mul", [difference, difference])], { keepdims: int(0) });
		if (loss === "similarity") {
			const alike = g.add("ReduceMean", [similarity(g, guess, x, shape)], { keepdims: int(0) });
			// The squared error keeps the brightness of a correlation, which does not see it.
			const weight = g.scalar(similarityKind(shape) === "ssim" ? 1 : 10);
			error = g.add("Sub", [g.add("Mul", [error, weight]), alike]);
		}
		const gradients = differentiate(g, [{ value: error }], [...decoder.values, smashed]);
		const gradient = pack(g, layout.params, gradients.slice(0, -1));
		const next = adam(g, { params, gradient, slots, learningRate, step }, settings);
		g.output("next_params", next.params);
		g.output("next_slots", next.slots);
		g.output("next_stats", packStatistics(g, decoder, scope));
		g.output("smashedGradient", gradients.at(-1) ?? smashed);
		g.output("loss", error);
		return encodeModel(g.build());
	};
	return { layout, train: build(true), decode: build(false) };
}
