/** NoPeek: the distance correlation of samples and smashed data as a second loss (Vepakomma et al., "NoPeek: information leakage reduction", ICDM workshops 2020). */
import {
	type AtCut,
	attributes,
	differentiate,
	encodeModel,
	GraphBuilder,
	type ModelDefinition,
	modelLayout,
	type Value,
} from "@psgl/models";
import { elementCount, type Session, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

type Real = Tensor<"float32">;

/** Keeps roots of distances of 0 differentiable. */
const epsilon = 1e-6;

export class NoPeek implements AsyncDisposable {
	readonly #session: Session;

	private constructor(session: Session) {
		this.#session = session;
	}

	static async load(shape: readonly number[], definition: ModelDefinition, weight: number): Promise<NoPeek> {
		const g = new GraphBuilder("no-peek");
		const { smashedShape } = modelLayout(definition);
		const x = g.input("x", "float32", ["B", elementCount(shape)]);
		const smashed = g.input("smashed", "float32", ["B", elementCount(smashedShape)]);
		const [a, b] = [centred(g, x), centred(g, smashed)];
		const mean = (p: Value, q: Value) =>
			g.add("ReduceMean", [g.add("Mul", [p, q]), g.ints([0, 1])], { keepdims: attributes.int(0) });
		const scale = g.add("Sqrt", [g.add("Mul", [mean(a, a), mean(b, b)])]);
		const correlation = g.add("Sqrt", [g.add("Add", [g.add("Div", [mean(a, b), scale]), g.scalar(epsilon)])]);
		const [gradient] = differentiate(g, [{ value: g.add("Mul", [correlation, g.scalar(weight)]) }], [smashed]);
		g.output("gradient", gradient as Value);
		return new NoPeek(await nodeRuntime.load(encodeModel(g.build()), { threads: 1 }));
	}

	/** The gradient at the cut with that of the distance correlation on it. */
	async gradient({ x, smashed, cutGradient }: AtCut): Promise<Real> {
		const count = x.dims[0] as number;
		const flat = (t: Real): Real => ({ ...t, dims: [count, t.data.length / count] });
		const { gradient } = await this.#session.run({ x: flat(x), smashed: flat(smashed) });
		const own = (gradient as Real).data;
		return { ...cutGradient, data: cutGradient.data.map((value, i) => value + (own[i] as number)) };
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#session.close();
	}
}

/** Distances [B,B] without the means of their row and column, plus the mean of all. */
function centred(g: GraphBuilder, v: Value): Value {
	const squares = g.add("ReduceSum", [g.add("Mul", [v, v]), g.ints([1])]);
	const turned = (value: Value) => g.add("Transpose", [value], { perm: attributes.ints([1, 0]) });
	const product = g.add("MatMul", [v, turned(v)]);
	const all = g.add("Sub", [g.add("Add", [squares, turned(squares)]), g.add("Mul", [product, g.scalar(2)])]);
	const distances = g.add("Sqrt", [g.add("Add", [g.add("Relu", [all]), g.scalar(epsilon)])]);
	const over = (axes: readonly number[]) => g.add("ReduceMean", [distances, g.ints([...axes])]);
	return g.add("Add", [g.add("Sub", [g.add("Sub", [distances, over([1])]), over([0])]), over([0, 1])]);
}
