import { type Random, type Runtime, type Session, scalar, type Tensor, zeros } from "@psgl/sdk";
import { differentiate } from "../autodiff/differentiate.js";
import { float, int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { convolution } from "../layers/convolution.js";
import { dense } from "../layers/dense.js";
import {
	bindSegment,
	declareSegment,
	type ParameterScope,
	pack,
	type SegmentLayout,
} from "../layers/parameter-scope.js";
import { flatten } from "../layers/pooling.js";
import { encodeModel } from "../onnx/write.js";
import { adam } from "../optimisers/adam.js";
import { adamSlotsPerParameter } from "../optimisers/adam-of-pieces.js";

type Real = Tensor<"float32">;

const settings = { beta1: 0.5, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
/** Weight of the squared slope at the wanted ones, which keeps the two from chasing each other round. */
const slopeWeight = 5;

/**
 * Tells smashed data of one network, the wanted ones, from those of another (Goodfellow et al., NeurIPS 2014, section 3; with the
 * gradient penalty R1 of Mescheder et al., ICML 2018, Eq. 9), and says which way the others would look wanted.
 */
export class Discriminator implements AsyncDisposable {
	readonly #train: Session;
	readonly #follow: Session;
	#params: Tensor;
	#slots: Tensor;
	#step = 0;

	private constructor(train: Session, follow: Session, layout: SegmentLayout, random: Random) {
		this.#train = train;
		this.#follow = follow;
		const data = layout.params.initialise(random);
		this.#params = { dtype: "float32", dims: [data.length], data };
		this.#slots = zeros("float32", [adamSlotsPerParameter * data.length]);
	}

	/** `smashedShape`: [Cs,...]. */
	static async load(
		smashedShape: readonly number[],
		{ runtime, threads, random }: { readonly runtime: Runtime; readonly threads: number; readonly random: Random },
	): Promise<Discriminator> {
		const { layout, train, follow } = discriminatorGraphs(smashedShape);
		const load = (model: Uint8Array) => runtime.load(model, { threads });
		return new Discriminator(await load(train), await load(follow), layout, random);
	}

	/** One step on [W,Cs,...] wanted ones and [O,Cs,...] others. */
	async step(wanted: Real, other: Real, learningRate: number): Promise<void> {
		this.#step += 1;
		const out = await this.#train.run({
			wanted,
			other,
			params: this.#params,
			slots: this.#slots,
			learningRate: scalar(learningRate),
			step: scalar(this.#step),
		});
		this.#params = out.next_params as Tensor;
		this.#slots = out.next_slots as Tensor;
	}

	/** The gradient [B,Cs,...] along which smashed data of the other network look less wanted: descend it. */
	async gradient(smashed: Real): Promise<Real> {
		return (await this.#follow.run({ smashed, params: this.#params })).gradient as Real;
	}

	async close(): Promise<void> {
		await this.#train.close();
		await this.#follow.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

function discriminatorGraphs(smashedShape: readonly number[]) {
	const scratch = new GraphBuilder("audit/discriminator");
	const declared = scratch.input("smashed", "float32", ["B", ...smashedShape]);
	const layout = declareSegment(scratch, (scope) => network(scratch, scope, declared));
	const open = (name: string) => {
		const g = new GraphBuilder(`audit/discriminator-${name}`);
		const params = g.input("params", "float32", [layout.params.length]);
		const segment = bindSegment(g, layout, params, g.floats([]));
		const score = (x: Value) => network(g, segment.scope(false), x);
		return { g, params, segment, score };
	};
	const mean = (g: GraphBuilder, v: Value) => g.add("ReduceMean", [v], { keepdims: int(0) });

	const training = open("train");
	{
		const { g, params, segment, score } = training;
		const wanted = g.input("wanted", "float32", ["W", ...smashedShape]);
		const other = g.input("other", "float32", ["O", ...smashedShape]);
		const good = score(wanted);
		const [slope] = differentiate(g, [{ value: g.add("ReduceSum", [good], { keepdims: int(0) }) }], [wanted]);
		const steep =
			slope && g.add("ReduceSum", [g.add("Mul", [slope, slope]), g.ints(smashedShape.map((_, i) => i + 1))]);
		let loss = g.add("Add", [
			mean(g, g.add("Softplus", [g.add("Neg", [good])])),
			mean(g, g.add("Softplus", [score(other)])),
		]);
		if (steep) loss = g.add("Add", [loss, g.add("Mul", [mean(g, steep), g.scalar(slopeWeight)])]);
		const gradient = pack(g, layout.params, differentiate(g, [{ value: loss }], segment.values));
		const slots = g.input("slots", "float32", [adamSlotsPerParameter * layout.params.length]);
		const learningRate = g.input("learningRate", "float32", []);
		const step = g.input("step", "float32", []);
		const next = adam(g, { params, gradient, slots, learningRate, step }, settings);
		g.output("next_params", next.params);
		g.output("next_slots", next.slots);
	}
	const following = open("follow");
	{
		const { g, score } = following;
		const smashed = g.input("smashed", "float32", ["B", ...smashedShape]);
		const loss = mean(g, g.add("Softplus", [g.add("Neg", [score(smashed)])]));
		const [gradient] = differentiate(g, [{ value: loss }], [smashed]);
		g.output("gradient", gradient ?? smashed);
	}
	return { layout, train: encodeModel(training.g.build()), follow: encodeModel(following.g.build()) };
}

/** Two convolutions where there are places, and two dense layers: [B,Cs,...] -> [B,1]. */
function network(g: GraphBuilder, scope: ParameterScope, smashed: Value): Value {
	const bent = (v: Value) => g.add("LeakyRelu", [v], { alpha: float(0.2) });
	let x = smashed;
	if (smashed.shape.length > 2) {
		x = bent(convolution(g, scope.within("conv1"), x, { outputs: 32, kernel: 3 }));
		x = bent(convolution(g, scope.within("conv2"), x, { outputs: 32, kernel: 3, stride: 2 }));
		x = flatten(g, x);
	}
	return dense(g, scope.within("dense2"), bent(dense(g, scope.within("dense1"), x, 64)), 1);
}
