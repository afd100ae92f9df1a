import { differentiate, type GraphBuilder, type Value } from "@psgl/models";
import { type Random, type Session, type Tensor, tensor } from "@psgl/sdk";
import { compileGraph } from "./run-graph.js";

/** Builds the operator under test from its inputs, in the order in which they were declared. */
export type BuildOperator = (g: GraphBuilder, inputs: Readonly<Record<string, Value>>) => Value;
export type Inputs = Readonly<Record<string, Tensor<"float32">>>;

/**
 * Graph of an operator with its first and second derivatives. The first extent of the inputs named in `batched` is the
 * symbol B. Feeds: the inputs, `gout` (gradient of the result) and `v.NAME` for each input. Outputs: `out`, `g.NAME`
 * and, with `second`, `h.NAME`: the gradient of `sum over inputs of <g.NAME, v.NAME>`, and `h.gout` likewise.
 */
export function compileWithGradients(
	inputs: Inputs,
	build: BuildOperator,
	{ batched = [], second = false }: { batched?: readonly string[]; second?: boolean } = {},
): Promise<Session> {
	return compileGraph((g) => {
		const names = Object.keys(inputs);
		const shapeOf = (name: string, dims: readonly number[]) =>
			batched.includes(name) ? ["B", ...dims.slice(1)] : dims;
		const values = Object.fromEntries(
			names.map((name) => [name, g.input(name, "float32", shapeOf(name, (inputs[name] as Tensor).dims))]),
		);
		const out = build(g, values);
		const gout = g.input("gout", "float32", out.shape);
		g.output("out", out);
		const wrt = names.map((name) => values[name] as Value);
		const gradients = differentiate(g, [{ value: out, gradient: gout }], wrt);
		names.forEach((name, i) => {
			const gradient = gradients[i];
			if (gradient !== undefined) g.output(`g.${name}`, gradient);
		});
		if (!second) return;
		const seeds = names.flatMap((name, i) => {
			const value = gradients[i];
			if (value === undefined) return [];
			return [{ value, gradient: g.input(`v.${name}`, "float32", (values[name] as Value).shape) }];
		});
		const again = [...wrt, gout];
		differentiate(g, seeds, again).forEach((value, i) => {
			if (value !== undefined) g.output(`h.${[...names, "gout"][i]}`, value);
		});
	});
}

/** Standard normal tensor. */
export function normalTensor(random: Random, dims: readonly number[]): Tensor<"float32"> {
	const count = dims.reduce((a, b) => a * b, 1);
	return tensor(
		"float32",
		dims,
		Float32Array.from({ length: count }, () => random.normal()),
	);
}

/**
 * How far the gradients of an operator are from finite differences, relative to their size: the largest over all
 * inputs, in a random direction each, for the gradients and (through `<gradient, v>`) for their own gradients.
 */
export async function gradientErrors(
	inputs: Inputs,
	build: BuildOperator,
	{ random, step, batched = [] }: { random: Random; step: number; batched?: readonly string[] },
): Promise<{ first: number; second: number }> {
	const plain = await compileGraph((g) => {
		g.output(
			"out",
			build(g, Object.fromEntries(Object.entries(inputs).map(([n, t]) => [n, g.input(n, "float32", t.dims)]))),
		);
	});
	const out = (await plain.run(inputs)).out as Tensor;
	await plain.close();
	await using session = await compileWithGradients(inputs, build, { batched, second: true });
	const names = Object.keys(inputs);
	const gout = normalTensor(random, out.dims);
	const v = Object.fromEntries(names.map((n) => [`v.${n}`, normalTensor(random, (inputs[n] as Tensor).dims)]));
	const feeds: Inputs = { ...inputs, ...v, gout };
	const at = await session.run(feeds);
	const inner = (results: Record<string, Tensor>) =>
		names.reduce(
			(sum, n) => sum + (results[`g.${n}`] ? dot(results[`g.${n}`] as Tensor, v[`v.${n}`] as Tensor) : 0),
			0,
		);
	const errors = { first: 0, second: 0 };
	for (const name of [...names, "gout"]) {
		const direction = normalTensor(random, (feeds[name] as Tensor).dims);
		const moved = async (by: number) => session.run({ ...feeds, [name]: added(feeds[name] as Tensor, direction, by) });
		const [plus, minus] = [await moved(step), await moved(-step)];
		const change = (of: (results: Record<string, Tensor>) => number) => (of(plus) - of(minus)) / (2 * step);
		const check = (gradient: Tensor | undefined, expected: number, order: "first" | "second") => {
			const got = gradient === undefined ? 0 : dot(gradient, direction);
			const size = gradient === undefined ? 1 : Math.max(norm(gradient) * norm(direction), 1e-3);
			errors[order] = Math.max(errors[order], Math.abs(got - expected) / size);
		};
		if (name !== "gout")
			check(
				at[`g.${name}`],
				change((r) => dot(r.out as Tensor, gout)),
				"first",
			);
		check(at[`h.${name}`], change(inner), "second");
	}
	return errors;
}

function dot(a: Tensor, b: Tensor): number {
	let sum = 0;
	for (let i = 0; i < a.data.length; i++) sum += Number(a.data[i]) * Number(b.data[i]);
	return sum;
}

const norm = (a: Tensor) => Math.sqrt(dot(a, a));

function added(a: Tensor, direction: Tensor, by: number): Tensor<"float32"> {
	return tensor(
		"float32",
		a.dims,
		Float32Array.from(a.data as Float32Array, (value, i) => value + by * Number(direction.data[i])),
	);
}
