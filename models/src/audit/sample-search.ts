import { elementCount, type Runtime, type Session, scalar, type Tensor, type Tensors, zeros } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import { differentiate } from "../autodiff/differentiate.js";
import { int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { encodeModel } from "../onnx/write.js";
import { adam } from "../optimisers/adam.js";
import { adamSlotsPerParameter } from "../optimisers/adam-of-pieces.js";
import { straightThroughConstants } from "./straight-through.js";
import { totalVariation } from "./total-variation.js";

type Real = Tensor<"float32">;

/** Samples that are looked for, as one step's objective sees them. */
export interface Sought {
	/** [count, ...inputShape] in [0,1] */
	readonly x: Value;
	/** What stands for the device's map on `x`, as `copyClientHalf` takes it. */
	readonly added: Value | "own" | "none";
}

export interface SampleSearchOptions {
	readonly manifest: Manifest;
	readonly runtime: Runtime;
	readonly threads: number;
	/** Samples looked for side by side, each by itself. */
	readonly count: number;
	/** What is made small, []; it declares inputs of its own. */
	readonly objective: (g: GraphBuilder, sought: Sought) => Value;
	/** The device's map: a variable that is found along with the sample, the map of the sample itself, or none. */
	readonly map: "variable" | "own" | "none";
	/** Weight of the total variation beside the objective. */
	readonly variationWeight: number;
	/** Adam follows the gradient, or its signs alone (Geiping et al., NeurIPS 2020, section 4). Default `gradient`. */
	readonly follow?: "gradient" | "signs";
}

/** Where a search stands: samples, and the map's variable where there is one, flat; and the optimiser's memory. */
export interface SearchState {
	readonly guess: Real;
	readonly slots: Real;
	readonly step: number;
}

const mapWeight = 1e-3;
const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
/** Where the map's variable starts: a sigmoid of it times the budget, next to nothing. */
const mapStart = -4;

/** Looks for samples that make an objective small, by Adam; what is found stays in [0,1]. */
export class SampleSearch implements AsyncDisposable {
	readonly #session: Session;
	readonly #dims: readonly number[];
	readonly #length: number;

	private constructor(session: Session, dims: readonly number[], length: number) {
		this.#session = session;
		this.#dims = dims;
		this.#length = length;
	}

	static async load(options: SampleSearchOptions): Promise<SampleSearch> {
		const { manifest, count, runtime, threads } = options;
		const dims = [count, ...manifest.inputShape];
		const length = elementCount(dims) * (hasVariable(options) ? 2 : 1);
		return new SampleSearch(
			await runtime.load(encodeModel(searchGraph(options, dims, length)), { threads }),
			dims,
			length,
		);
	}

	/** @param samples one sample, or as many as are looked for, laid one after the other */
	start(samples: Float32Array): SearchState {
		const size = elementCount(this.#dims);
		const data = new Float32Array(this.#length).fill(mapStart, size);
		for (let i = 0; i < size; i++) data[i] = samples[i % samples.length] as number;
		const guess: Real = { dtype: "float32", dims: [this.#length], data };
		return { guess, slots: zeros("float32", [adamSlotsPerParameter * this.#length]), step: 0 };
	}

	/** One step; `feeds`: the inputs that the objective declared. */
	async step({ guess, slots, step }: SearchState, learningRate: number, feeds: Tensors): Promise<SearchState> {
		const next = step + 1;
		const out = await this.#session.run({
			...feeds,
			guess,
			slots,
			learningRate: scalar(learningRate),
			step: scalar(next),
		});
		return { guess: out.next_guess as Real, slots: out.next_slots as Real, step: next };
	}

	/** [count, ...inputShape] */
	samples({ guess }: SearchState): Real {
		return { dtype: "float32", dims: this.#dims, data: guess.data.slice(0, elementCount(this.#dims)) };
	}

	async close(): Promise<void> {
		await this.#session.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

/** Half a cosine from `first` to nothing. */
export function fallingRate(first: number, step: number, steps: number): number {
	return (first * (1 + Math.cos((Math.PI * step) / (steps + 1)))) / 2;
}

const hasVariable = ({ manifest, map }: SampleSearchOptions) => map === "variable" && manifest.map !== null;

/** One step of Adam on the samples, and on the map where there is one, all in one flat vector. */
function searchGraph(options: SampleSearchOptions, dims: readonly number[], length: number) {
	const { manifest, objective, variationWeight, follow = "gradient" } = options;
	const size = elementCount(dims);
	const g = new GraphBuilder("audit/search");
	const guess = g.input("guess", "float32", [length]);
	const slots = g.input("slots", "float32", [adamSlotsPerParameter * length]);
	const learningRate = g.input("learningRate", "float32", []);
	const step = g.input("step", "float32", []);
	const parts = (flat: Value) =>
		hasVariable(options) ? g.addMany("Split", [flat, g.ints([size, size])], 2, { axis: int(0) }) : [flat];
	const [first, second] = parts(guess).map((part) => g.add("Reshape", [part, g.ints(dims)])) as [Value, Value?];
	const budget = g.scalar(manifest.map?.budget ?? 0);
	const variable = second && g.add("Mul", [g.add("Sigmoid", [second]), budget]);
	const added = variable ?? (options.map === "own" ? "own" : "none");
	let loss = objective(g, { x: first, added });
	const weighed = (value: Value, weight: number) => g.add("Add", [loss, g.add("Mul", [value, g.scalar(weight)])]);
	if (variationWeight > 0) loss = weighed(totalVariation(g, first), variationWeight);
	if (variable !== undefined) loss = weighed(g.add("ReduceMean", [variable], { keepdims: int(0) }), mapWeight);
	// Means over all samples make the steps of each smaller the more there are; Adam does not care for the scale.
	const [found] = differentiate(g, [{ value: loss }], [guess], straightThroughConstants(g));
	const gradient = follow === "signs" ? g.add("Sign", [found]) : (found as Value);
	const next = adam(g, { params: guess, gradient, slots, learningRate, step }, settings);
	const [samples, rest] = parts(next.params) as [Value, Value?];
	const kept = g.add("Clip", [samples, g.scalar(0), g.scalar(1)]);
	g.output("next_guess", rest === undefined ? kept : g.add("Concat", [kept, rest], { axis: int(0) }));
	g.output("next_slots", next.slots);
	g.output("loss", loss);
	return g.build();
}
