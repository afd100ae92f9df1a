import {
	attributes,
	bindSegment,
	compileArtifact,
	convolution,
	declareSegment,
	dense,
	differentiate,
	encodeModel,
	flatten,
	GraphBuilder,
	globalAverage,
	groupNormalised,
	maxPool,
	normalised,
	type ParameterScope,
	presetDefinition,
	type SplitNetwork,
	type Value,
} from "@psgl/models";
import { elementCount, seededRandom, type Tensor, tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import { largestDifference } from "../../helpers/largest-difference.js";

type Layer = (g: GraphBuilder, scope: ParameterScope, x: Value) => Value;

/** An artifact whose client segment is nothing but `layer`. */
function compiled(layer: Layer, inputShape: readonly number[], seed = 1): Promise<Artifact> {
	const network: SplitNetwork = {
		name: "layer",
		summary: "one layer",
		spatialAxes: inputShape.length === 3 ? 2 : 1,
		rectified: false,
		client: layer,
		stream: (g, scope, smashed, classes) => dense(g, scope, flatten(g, smashed), classes),
	};
	const definition = { ...presetDefinition("none", network, inputShape, ["a", "b"]), packing: "none" } as const;
	return compileArtifact(definition, { name: "layer", random: seededRandom(seed) });
}

/** What the layer makes of x as deployed, with these parameters and statistics. */
async function applied(artifact: Artifact, x: Tensor, params: Tensor, stats?: Tensor): Promise<Tensor> {
	await using session = await nodeRuntime.load(artifactGraph(artifact, "client/infer"));
	const feeds = {
		x,
		params,
		stats: stats ?? artifactTensor(artifact, "client/stats"),
		head: artifactTensor(artifact, "client/head"),
	};
	return (await session.run(feeds)).smashed as Tensor;
}

function noise(dims: readonly number[]): Tensor<"float32"> {
	const random = seededRandom(9);
	return tensor(
		"float32",
		dims,
		zeros("float32", dims).data.map(() => random.normal()),
	);
}

const entriesOf = ({ manifest }: Artifact) => manifest.client.params.map(({ name, shape }) => [name, shape]);

function startsWithin(t: ExecutionContext, artifact: Artifact, bound: number): void {
	const largest = artifactTensor(artifact, "client/params").data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
	t.true(largest <= bound && largest > 0.8 * bound, `${largest} of ${bound}`);
}

/** Convolution by its definition; x [1,C,H,W], weights [M,C,k,k], padded by half the kernel. */
function convolved(x: Tensor<"float32">, weights: Float32Array, bias: Float32Array, k: number, stride: number): Tensor {
	const [, channels, height, width] = x.dims as [number, number, number, number];
	const places = [height, width].map((extent) => Math.floor((extent + 2 * (k >> 1) - k) / stride) + 1);
	const out = zeros("float32", [1, bias.length, ...places]);
	const at = (c: number, i: number, j: number) =>
		i < 0 || j < 0 || i >= height || j >= width ? 0 : (x.data[(c * height + i) * width + j] as number);
	out.data.forEach((_, index) => {
		const column = index % (places[1] as number);
		const row = Math.floor(index / (places[1] as number)) % (places[0] as number);
		const filter = Math.floor(index / elementCount(places));
		let sum = bias[filter] as number;
		for (let tap = 0; tap < channels * k * k; tap++) {
			const [c, i, j] = [Math.floor(tap / (k * k)), Math.floor(tap / k) % k, tap % k];
			const pixel = at(c, row * stride + i - (k >> 1), column * stride + j - (k >> 1));
			sum += pixel * (weights[filter * channels * k * k + tap] as number);
		}
		out.data[index] = sum;
	});
	return out;
}

for (const [kernel, stride] of [
	[3, 1],
	[5, 1],
	[3, 2],
	[1, 2],
] as const) {
	test(`convolution with kernel ${kernel} and stride ${stride} follows the definition`, async (t) => {
		const artifact = await compiled((g, s, x) => convolution(g, s, x, { outputs: 3, kernel, stride }), [2, 7, 6]);
		const expected = [
			["weight", [3, 2, kernel, kernel]],
			["bias", [3]],
		];
		t.deepEqual(entriesOf(artifact), expected as typeof expected & ReturnType<typeof entriesOf>);
		startsWithin(t, artifact, 1 / Math.sqrt(2 * kernel * kernel));
		const params = artifactTensor(artifact, "client/params");
		const x = noise([1, 2, 7, 6]);
		const split = params.data.length - 3;
		const reference = convolved(x, params.data.subarray(0, split), params.data.subarray(split), kernel, stride);
		const got = await applied(artifact, x, params);
		t.deepEqual(got.dims, reference.dims);
		t.true(largestDifference(got, reference) < 1e-5);
	});
}

test("convolution without a bias has none; in one dimension its kernel has one", async (t) => {
	const options = { outputs: 4, kernel: 5, bias: false };
	const artifact = await compiled((g, s, x) => convolution(g, s.within("conv"), x, options), [2, 16]);
	t.deepEqual(entriesOf(artifact), [["conv.weight", [4, 2, 5]]]);
	t.deepEqual(artifact.manifest.smashedShape, [4, 16]);
});

test("a dense layer multiplies by its weights and adds its bias", async (t) => {
	const layer: Layer = (g, s, x) => g.add("Reshape", [dense(g, s, flatten(g, x), 3), g.ints([0, -1, 1])]);
	const artifact = await compiled(layer, [2, 5]);
	t.deepEqual(entriesOf(artifact), [
		["weight", [3, 10]],
		["bias", [3]],
	]);
	startsWithin(t, artifact, 1 / Math.sqrt(10));
	const params = artifactTensor(artifact, "client/params");
	const x = noise([4, 2, 5]);
	const reference = zeros("float32", [4, 3, 1]);
	reference.data.forEach((_, i) => {
		const [sample, output] = [Math.floor(i / 3), i % 3];
		let sum = params.data[30 + output] as number;
		for (let k = 0; k < 10; k++) sum += (x.data[sample * 10 + k] as number) * (params.data[output * 10 + k] as number);
		reference.data[i] = sum;
	});
	t.true(largestDifference(await applied(artifact, x, params), reference) < 1e-5);
});

test("pooling takes the largest of each window and drops what is left over; the average is over everything", async (t) => {
	const x = tensor("float32", [1, 1, 3, 5], Float32Array.of(1, 5, 2, 0, 9, 3, -4, 8, 7, 9, 9, 9, 9, 9, 9));
	const scaled =
		(f: Layer): Layer =>
		(g, s, v) =>
			f(g, s, g.add("Mul", [v, s.parameter("one", [1], one)]));
	const one = { kind: "constant", value: 1 } as const;
	const pooled = await compiled(
		scaled((g, _, v) => maxPool(g, v)),
		[1, 3, 5],
	);
	const result = await applied(pooled, x, artifactTensor(pooled, "client/params"));
	t.deepEqual([result.dims, result.data], [[1, 1, 1, 2], Float32Array.of(5, 8)]);
	const averaged = await compiled(
		scaled((g, _, v) => g.add("Reshape", [globalAverage(g, v), g.ints([0, 1, 1, 1])])),
		[1, 3, 5],
	);
	const mean = await applied(averaged, x, artifactTensor(averaged, "client/params"));
	t.true(Math.abs((mean.data[0] as number) - 85 / 15) < 1e-6);
});

test("a normalised layer is deployed with its running statistics", async (t) => {
	const artifact = await compiled((g, s, x) => normalised(g, s.within("norm"), x), [2, 4]);
	t.deepEqual(entriesOf(artifact), [
		["norm.scale", [2]],
		["norm.bias", [2]],
	]);
	t.deepEqual(artifactTensor(artifact, "client/params").data, Float32Array.of(1, 1, 0, 0));
	t.deepEqual(artifactTensor(artifact, "client/stats").data, Float32Array.of(0, 0, 1, 1));
	const x = noise([3, 2, 4]);
	const params = tensor("float32", [4], Float32Array.of(2, -1, 0.5, 0.25));
	const stats = tensor("float32", [4], Float32Array.of(0.3, -0.2, 4, 0.25));
	const reference = {
		...x,
		data: x.data.map((v, i) => {
			const channel = Math.floor(i / 4) % 2;
			const [scale, bias, mean, variance] = [params, params, stats, stats].map(
				({ data }, k) => data[channel + 2 * (k % 2)] as number,
			) as [number, number, number, number];
			return ((v - mean) / Math.sqrt(variance + 1e-5)) * scale + bias;
		}),
	};
	t.true(largestDifference(await applied(artifact, x, params, stats), reference) < 1e-5);
});

for (const [shape, groups] of [
	[[4, 6], 2],
	[[4, 3, 2], 1],
	[[4, 6], 4],
] as const) {
	test(`group normalisation of [${shape}] in ${groups} groups looks at nothing but its own group and sample`, async (t) => {
		const artifact = await compiled((g, s, x) => groupNormalised(g, s.within("norm"), x, groups), shape);
		t.deepEqual(entriesOf(artifact), [
			["norm.scale", [4]],
			["norm.bias", [4]],
		]);
		t.is(artifactTensor(artifact, "client/stats").data.length, 0);
		const x = noise([3, ...shape]);
		const params = tensor("float32", [8], Float32Array.of(2, -1, 3, 0.5, 0.5, 0.25, -2, 1));
		const [all, ofGroup, ofChannel] = [24, 24 / groups, 6];
		const reference = { ...x, data: x.data.slice() };
		for (let from = 0; from < x.data.length; from += ofGroup) {
			const values = x.data.subarray(from, from + ofGroup);
			const mean = values.reduce((sum, v) => sum + v, 0) / ofGroup;
			const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / ofGroup;
			values.forEach((v, i) => {
				const channel = Math.floor(((from + i) % all) / ofChannel);
				const [scale, bias] = [params.data[channel] as number, params.data[channel + 4] as number];
				reference.data[from + i] = ((v - mean) / Math.sqrt(variance + 1e-5)) * scale + bias;
			});
		}
		t.true(largestDifference(await applied(artifact, x, params), reference) < 1e-5);
	});
}

test("each tensor draws from its own generator: another layer before it changes nothing", async (t) => {
	const last = (g: GraphBuilder, s: ParameterScope, x: Value) =>
		convolution(g, s.within("last"), x, { outputs: 2, kernel: 3 });
	const plain = await compiled(last, [2, 8]);
	const longer = await compiled(
		(g, s, x) => last(g, s, convolution(g, s.within("first"), x, { outputs: 2, kernel: 1 })),
		[2, 8],
	);
	const own = artifactTensor(plain, "client/params").data;
	t.deepEqual(artifactTensor(longer, "client/params").data.slice(-own.length), own);
	t.notDeepEqual(artifactTensor(await compiled(last, [2, 8], 2), "client/params").data, own);
});

test("a convolution over channels of zeros behind others computes the others alone: the same results and gradients", async (t) => {
	const layer: Layer = (g, scope, x) => convolution(g, scope, x, { outputs: 3, kernel: 3 });
	const layout = declareSegment(new GraphBuilder("layout"), (scope) => {
		const scratch = new GraphBuilder("layer");
		layer(scratch, scope, scratch.input("x", "float32", ["B", 4, 5, 6]));
	});
	const g = new GraphBuilder("test");
	const x = g.input("x", "float32", ["B", 2, 5, 6]);
	const zeros = g.input("zeros", "float32", ["B", 2, 5, 6]);
	const dy = g.input("dy", "float32", ["B", 3, 5, 6]);
	const params = g.input("params", "float32", [layout.params.length]);
	const client = bindSegment(g, layout, params, g.floats([]));
	const [first, second] = g.addMany("Split", [zeros, g.ints([1, 1])], 2, { axis: attributes.int(1) });
	const images = {
		padded: g.add("Pad", [x, g.ints([0, 0, 0, 0, 0, 2, 0, 0])]),
		joined: g.add("Concat", [x, zeros], { axis: attributes.int(1) }),
		// Zeros in front as well stay.
		"padded around": g.add("Pad", [x, g.ints([0, 1, 0, 0, 0, 1, 0, 0])]),
		"joined around": g.add("Concat", [first, x, second], { axis: attributes.int(1) }),
	};
	for (const [name, image] of Object.entries(images)) {
		const y = layer(g, client.scope(false), image);
		g.output(name, y);
		const gradients = differentiate(g, [{ value: y, gradient: dy }], [x, ...client.values]);
		gradients.forEach((value, i) => void g.output(`${name} ${i}`, value as Value));
	}
	const graph = g.build();
	const forward = graph.nodes.filter(({ type, inputs }) => type === "Conv" && inputs[1]?.shape[0] === 3);
	t.deepEqual(
		forward.map(({ inputs }) => inputs[0]?.shape[1]),
		[2, 4, 4, 4],
	);
	await using session = await nodeRuntime.load(encodeModel(graph));
	const results = await session.run({
		x: noise([2, 2, 5, 6]),
		zeros: tensor("float32", [2, 2, 5, 6], new Float32Array(120)),
		dy: noise([2, 3, 5, 6]),
		params: noise([layout.params.length]),
	});
	for (const part of ["", " around", " 0", " 1", " around 0", " around 1"]) {
		t.true(largestDifference(results[`padded${part}`], results[`joined${part}`] as Tensor) < 1e-5, part);
	}
});
