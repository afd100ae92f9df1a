import {
	adam,
	attributes,
	crossEntropy,
	differentiate,
	encodeModel,
	GraphBuilder,
	importModel,
	meanSquaredError,
	type Value,
} from "@psgl/models";
import { labelTensor, type Session, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

/** A model of an ONNX file with its loss, all gradients and a step of Adam, in one graph. */
export interface ImportedTraining {
	/** Outputs: `output`, `loss`, `gin.INPUT`, `g.PARAMETER`, and `params` and `slots` after the step. */
	readonly session: Session;
	/** Everything the graph is fed with before the first step. */
	readonly feeds: Readonly<Record<string, Tensor>>;
	/** Keys of the gradients of all inputs and parameters. */
	readonly gradients: readonly string[];
}

/**
 * Reads a model whose inputs, target and list of parameters are in `arrays` (`in.NAME`, `target`, `g.NAME`): classes
 * get cross-entropy, numbers the mean squared error.
 */
export async function importedTraining(
	file: Uint8Array,
	arrays: ReadonlyMap<string, Tensor>,
): Promise<ImportedTraining> {
	const g = new GraphBuilder("training");
	const feeds: Record<string, Tensor> = {};
	const inputs: { readonly key: string; readonly value: Value }[] = [];
	const weights = new Map<string, Tensor>();
	const placeholders: Value[] = [];
	const outputs = importModel(g, file, {
		input(name, dtype, shape) {
			feeds[name] = arrays.get(`in.${name}`) as Tensor;
			const value = g.input(name, dtype, shape);
			inputs.push({ key: `gin.${name}`, value });
			return value;
		},
		initializer(name, value) {
			if (!arrays.has(`g.${name}`)) return g.constant(value, name);
			weights.set(name, value);
			feeds[name] = value;
			const parameter = g.input(name, value.dtype, value.dims);
			placeholders.push(parameter);
			return parameter;
		},
	});
	const output = outputs.get("output") as Value;
	const wanted = arrays.get("target") as Tensor;
	const isClass = wanted.dtype === "int64";
	const target = g.input("target", wanted.dtype, isClass ? ["N"] : wanted.dims);
	feeds.target = isClass ? labelTensor(Array.from(wanted.data as BigInt64Array, Number)) : wanted;
	const loss = isClass ? crossEntropy(g, { logits: output, target }) : meanSquaredError(g, output, target);
	const wrt = [...inputs.map((i) => i.value), ...placeholders];
	const gradients = differentiate(g, [{ value: loss }], wrt);
	g.output("output", output);
	g.output("loss", loss);
	const keys = [...inputs.map((i) => i.key), ...[...weights.keys()].map((name) => `g.${name}`)];
	keys.forEach((key, i) => {
		if (gradients[i] !== undefined) g.output(key, gradients[i]);
	});
	const flat = (value: Value) => g.add("Reshape", [value, g.ints([-1])]);
	const all = (values: readonly Value[]) => g.add("Concat", values, { axis: attributes.int(0) });
	const vector = all(placeholders.map(flat));
	const gradient = all(placeholders.map((p, i) => flat(gradients[inputs.length + i] ?? g.add("Sub", [p, p]))));
	const slots = g.input("slots", "float32", [2 * (vector.shape[0] as number)]);
	feeds.slots = tensor("float32", slots.shape as number[], new Float32Array(slots.shape[0] as number));
	const learningRate = g.scalar(1e-3);
	const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
	const step = g.input("step", "float32", []);
	feeds.step = tensor("float32", [], Float32Array.of(1));
	const next = adam(g, { params: vector, gradient, slots, learningRate, step }, settings);
	const sizes = [...weights.values()].map((w) => w.data.length);
	const parts = g.addMany("Split", [next.params, g.ints(sizes)], sizes.length, { axis: attributes.int(0) });
	[...weights].forEach(([name, w], i) => {
		g.output(`next.${name}`, g.add("Reshape", [parts[i], g.ints(w.dims)]));
	});
	g.output("next.slots", next.slots);
	return { session: await nodeRuntime.load(encodeModel(g.build())), feeds, gradients: keys };
}

/** Losses before each of `count` steps of Adam at a rate of 0.001. */
export async function adamLosses({ session, feeds }: ImportedTraining, count: number): Promise<readonly number[]> {
	let now = feeds;
	const losses: number[] = [];
	for (let step = 1; step <= count; step++) {
		const results = await session.run({ ...now, step: tensor("float32", [], Float32Array.of(step)) });
		losses.push(Number(results.loss?.data[0]));
		const moved = Object.entries(results).flatMap(([name, value]) =>
			name.startsWith("next.") ? [[name.slice("next.".length), value] as const] : [],
		);
		now = { ...now, ...Object.fromEntries(moved) };
	}
	return losses;
}
