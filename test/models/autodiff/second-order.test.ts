import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
	attributes,
	bindSegment,
	crossEntropy,
	dense,
	differentiate,
	type GraphBuilder,
	globalAverage,
	gradientMatching,
	hessianVectorProduct,
	modelLayout,
	pack,
	presetDefinition,
	type Value,
	zoo,
	zooNetwork,
} from "@psgl/models";
import { labelTensor, type Tensor, tensor } from "@psgl/sdk";
import test from "ava";
import { numbers } from "../../helpers/numbers.js";
import { referenceValues, startingParameters } from "../../helpers/reference-values.js";
import { projectFolder } from "../../helpers/run-cli.js";
import { compileGraph, runGraph } from "../../helpers/run-graph.js";

interface Sampled {
	readonly norm: number;
	readonly values: readonly number[];
}

/** What PyTorch computed in float64: bench/reference/second_order.py. */
const reference = JSON.parse(
	readFileSync(join(projectFolder, "test/fixtures/second-order/reference.json"), "utf8"),
) as {
	readonly hessianVectorProducts: Readonly<
		Record<string, { readonly loss: number; readonly products: Readonly<Record<string, Sampled>> }>
	>;
	readonly gradientMatching: Readonly<
		Record<string, { readonly distance: number; readonly gradient: readonly number[] }>
	>;
};

const batch = 6;
const classes = ["a", "b", "c"];
const labels = (count: number) => labelTensor(Array.from({ length: count }, (_, i) => i % 3));
const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

function definitionOf(name: string) {
	const network = zooNetwork(name);
	const inputShape = network.spatialAxes === 2 ? [2, 8, 8] : [1, 32];
	return { ...presetDefinition("none", network, inputShape, classes), packing: "none" as const };
}

test("the reference covers every zoo network", (t) => {
	t.deepEqual(Object.keys(reference.hessianVectorProducts).sort(), zoo.map(({ name }) => name).sort());
});

/** One graph with the loss, the gradient and the Hessian-vector product of a whole network, flat. */
function compileProduct(name: string) {
	const definition = definitionOf(name);
	const layout = modelLayout(definition);
	const session = compileGraph((g) => {
		const x = g.input("x", "float32", ["B", ...definition.inputShape]);
		const bind = (prefix: string) =>
			(["client", "server"] as const).map((half) => {
				const { params, stats } = layout[half];
				const statistics = g.floats(new Float32Array(stats.length));
				return bindSegment(g, layout[half], g.input(`${prefix}${half}`, "float32", [params.length]), statistics);
			});
		const halves = bind("");
		const [client, server] = halves as [(typeof halves)[0], (typeof halves)[0]];
		const smashed = definition.network.client(g, client.scope(true), x);
		const logits = definition.network.stream(g, server.scope(true).within("A"), smashed, classes.length);
		const loss = crossEntropy(g, { logits, target: g.input("y", "int64", ["B"]) });
		const params = [...client.values, ...server.values];
		const vector = bind("v.").flatMap(({ values }) => values);
		const products = hessianVectorProduct(g, loss, params, vector);
		const gradients = differentiate(g, [{ value: loss }], params);
		const flat = (of: readonly (Value | undefined)[]) =>
			g.add(
				"Concat",
				[
					pack(g, layout.client.params, of.slice(0, client.values.length)),
					pack(g, layout.server.params, of.slice(client.values.length)),
				],
				{ axis: attributes.int(0) },
			);
		g.output("loss", loss);
		g.output("gradient", flat(gradients));
		g.output("product", flat(products));
	});
	return { definition, layout, session };
}

for (const { name } of zoo) {
	test(`${name}: Hessian-vector product as PyTorch's, and against finite differences of the gradient`, async (t) => {
		const { definition, layout, session: compiled } = compileProduct(name);
		await using session = await compiled;
		const [client, server] = startingParameters([layout.client.params, layout.server.params]) as [Tensor, Tensor];
		const length = layout.client.params.length + layout.server.params.length;
		const vector = referenceValues([length], 2);
		const halves = (values: Tensor<"float32">) => [
			tensor("float32", [layout.client.params.length], values.data.slice(0, layout.client.params.length)),
			tensor("float32", [layout.server.params.length], values.data.slice(layout.client.params.length)),
		];
		const [vClient, vServer] = halves(vector) as [Tensor, Tensor];
		const feeds = {
			x: referenceValues([batch, ...definition.inputShape], 3),
			y: labels(batch),
			client,
			server,
			"v.client": vClient,
			"v.server": vServer,
		};
		const got = await session.run(feeds);
		const expected = reference.hessianVectorProducts[name];
		t.true(Math.abs(Number(got.loss?.data[0]) - (expected?.loss as number)) < 1e-5);
		const product = numbers(got.product);
		const entries = (["client", "server"] as const).flatMap((half) =>
			layout[half].params.entries.map((entry) => ({
				name: `${half}.${entry.name}`,
				from: entry.offset + (half === "server" ? layout.client.params.length : 0),
				count: entry.shape.reduce((a, b) => a * b, 1),
			})),
		);
		t.deepEqual(
			entries.map((entry) => entry.name),
			Object.keys(expected?.products ?? {}),
		);
		for (const { name: parameter, from, count } of entries) {
			const part = product.slice(from, from + count);
			const wanted = expected?.products[parameter] as Sampled;
			const scale = wanted.norm / Math.sqrt(count);
			t.true(Math.abs(norm(part) - wanted.norm) < 1e-4 * wanted.norm, `norm of ${parameter}: ${norm(part)}`);
			const every = Math.max(1, Math.floor(count / 12));
			wanted.values.forEach((value, i) => {
				const difference = Math.abs((part[i * every] as number) - value);
				t.true(difference < 2e-4 * Math.max(scale, Math.abs(value)), `${parameter} value ${i} off by ${difference}`);
			});
		}

		// Along the last layer: nothing behind it switches, so the loss is smooth in it, and all parameters' gradients change.
		const last = entries.filter((entry) => /\.(dense|dense2)\./.test(entry.name));
		t.is(last.length, 2);
		const onlyLast = new Float32Array(layout.server.params.length);
		for (const { from, count } of last) {
			const start = from - layout.client.params.length;
			onlyLast.set((vServer as Tensor<"float32">).data.subarray(start, start + count), start);
		}
		const along = tensor("float32", server.dims, onlyLast);
		const still = tensor("float32", client.dims, new Float32Array(layout.client.params.length));
		const column = numbers((await session.run({ ...feeds, "v.client": still, "v.server": along })).product);
		const step = 1e-2;
		const moved = async (by: number) => {
			const data = (server.data as Float32Array).map((p, i) => p + by * (onlyLast[i] as number));
			return numbers((await session.run({ ...feeds, server: tensor("float32", server.dims, data) })).gradient);
		};
		const [plus, minus] = [await moved(step), await moved(-step)];
		const difference = column.map((c, i) => ((plus[i] as number) - (minus[i] as number)) / (2 * step) - c);
		t.true(norm(difference) < 2e-3 * norm(column), `off by ${norm(difference) / norm(column)}`);
	});
}

for (const name of ["lenet", "resnet-small"]) {
	test(`${name}: gradient matching on the client segment as PyTorch's, and against finite differences`, async (t) => {
		const definition = definitionOf(name);
		const layout = modelLayout(definition);
		const shape = [2, ...definition.inputShape];
		const lengths = { client: layout.client.params.length, head: layout.head.params.length };
		/** The local head's loss on `x`, and the parameters it has. */
		const localLoss = (g: GraphBuilder, x: Value) => {
			const statistics = g.floats(new Float32Array(layout.client.stats.length));
			const client = bindSegment(g, layout.client, g.input("client", "float32", [lengths.client]), statistics);
			const head = bindSegment(g, layout.head, g.input("head", "float32", [lengths.head]), g.floats([]));
			const smashed = definition.network.client(g, client.scope(true), x);
			const logits = dense(g, head.scope(true), globalAverage(g, smashed), classes.length);
			const loss = crossEntropy(g, { logits, target: g.input("y", "int64", ["B"]) });
			return { loss, params: [...client.values, ...head.values] };
		};
		const [client, head] = startingParameters([layout.client.params, layout.head.params]) as [Tensor, Tensor];
		const common = { client, head, y: labels(2) };
		const observed = await runGraph(
			(g) => {
				const { loss, params } = localLoss(g, g.input("x", "float32", ["B", ...definition.inputShape]));
				differentiate(g, [{ value: loss }], params).forEach((gradient, i) => {
					g.output(`observed.${i}`, gradient as Value);
				});
			},
			{ ...common, x: referenceValues(shape, 4) },
		);
		await using session = await compileGraph((g) => {
			const x = g.input("x", "float32", ["B", ...definition.inputShape]);
			const { loss, params } = localLoss(g, x);
			const seen = params.map((p, i) => g.input(`observed.${i}`, "float32", p.shape));
			const { distance, gradient } = gradientMatching(g, loss, params, seen, x);
			g.output("distance", distance);
			g.output("gradient", gradient);
		});
		const guess = referenceValues(shape, 5);
		const at = async (x: Tensor) => {
			const { distance, gradient } = await session.run({ ...common, ...observed, x });
			return { distance: Number(distance?.data[0]), gradient: numbers(gradient) };
		};
		const got = await at(guess);
		const expected = reference.gradientMatching[name];
		t.true(Math.abs(got.distance / (expected?.distance as number) - 1) < 1e-4, `distance ${got.distance}`);
		t.is(got.gradient.length, expected?.gradient.length as number);
		const difference = got.gradient.map((v, i) => v - (expected?.gradient[i] as number));
		t.true(norm(difference) < 1e-3 * norm(got.gradient), `off by ${norm(difference) / norm(got.gradient)}`);

		// A small step: a rectifier or a largest pixel that switches in between would add a jump.
		const step = 1e-4;
		const length = norm(got.gradient);
		const moved = async (by: number) => {
			const data = guess.data.map((v, i) => v + (by * (got.gradient[i] as number)) / length);
			return (await at(tensor("float32", shape, data))).distance;
		};
		const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
		t.true(Math.abs(slope / length - 1) < 0.03, `slope ${slope}, not ${length}`);

		t.true((await at(referenceValues(shape, 4))).distance < 1e-9 * got.distance, "the true input has distance 0");
	});
}
