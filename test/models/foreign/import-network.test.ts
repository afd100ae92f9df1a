import { readFile } from "node:fs/promises";
import {
	compileArtifact,
	encodeModel,
	GraphBuilder,
	importModel,
	importNetwork,
	presetDefinition,
	privacyModes,
	type Value,
} from "@psgl/models";
import { ConfigError, PsglError, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { readNpz } from "@psgl/sdk/sources";
import test from "ava";
import { runImported } from "../../helpers/foreign-run.js";
import { relativeError } from "../../helpers/golden.js";
import { type FileNode, type OnnxFile, onnxFile } from "../../helpers/onnx-file.js";
import { sharedPath, withShared } from "../../helpers/shared.js";

const modelFile = (name: string) => readFile(sharedPath("vectors", "onnx", `${name}.onnx`));

/** Model, tensors cut at, shape of the smashed data. */
const cuts: readonly (readonly [string, readonly string[], readonly number[]])[] = [
	["lenet_op13", ["/Relu_output_0"], [16, 10, 10]],
	["lenet_op13", ["/f1/Gemm_output_0"], [1, 120]],
	["resnet8_bn_op15_eval", ["/s2/Relu_1_output_0"], [32, 16, 16]],
	// Across skip connections: sizes that agree, and sizes that do not.
	["resnet8_bn_op15_eval", ["/s1/Relu_output_0", "/Relu_output_0"], [32, 32, 32]],
	["resnet8_bn_op15_eval", ["/s2/Relu_output_0", "/s1/Relu_1_output_0"], [1, 24_576]],
	["resnet8_bn_op15_train", ["/s1/Relu_1_output_0"], [16, 32, 32]],
	["tinyvit_op16", ["/Add_1_output_0"], [16, 32]],
	["psgl_splitnet_op17", ["/client/b2/b2.2/Relu_output_0"], [32, 7, 7]],
	["ecg1d_op13", ["/MaxPool_output_0"], [16, 90]],
];

/**
 * What PyTorch would add to the running statistics of each batch normalisation: mean and unbiased variance of each
 * channel, computed here of what the file's graph feeds it with.
 */
async function batchStatistics(bytes: Uint8Array, x: Tensor) {
	const normalisations = (g: GraphBuilder, outsideTraining: boolean) => {
		importModel(g, bytes, {
			input: (name, dtype, shape) => g.input(name, dtype, shape),
			initializer: (name, value) => g.constant(value, name),
			outsideTraining,
		});
		return g.nodes.filter((node) => node.type === "BatchNormalization");
	};
	const g = new GraphBuilder("statistics");
	normalisations(g, false).forEach((node, i) => {
		g.output(String(i), node.inputs[0] as Value);
	});
	const names = normalisations(new GraphBuilder("names"), true).map(
		(node) => [node.inputs[3]?.name ?? "", node.inputs[4]?.name ?? ""] as const,
	);
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	const got = await session.run({ [session.inputNames[0] as string]: x });
	return names.map(([meanName, varianceName], index) => {
		const { data, dims } = got[String(index)] as Tensor<"float32">;
		const [samples = 0, channels = 0, ...spatial] = dims;
		const size = spatial.reduce((a, b) => a * b, 1);
		const count = samples * size;
		const ofChannel = (c: number, f: (v: number) => number) => {
			let sum = 0;
			for (let n = 0; n < samples; n++) {
				for (const v of data.subarray((n * channels + c) * size, (n * channels + c + 1) * size)) sum += f(v);
			}
			return sum;
		};
		const mean = Array.from({ length: channels }, (_, c) => ofChannel(c, (v) => v) / count);
		const variance = mean.map((m, c) => ofChannel(c, (v) => (v - m) ** 2) / (count - 1));
		return { mean: { name: meanName, values: mean }, variance: { name: varianceName, values: variance } };
	});
}

for (const [name, cut, smashedShape] of cuts) {
	withShared(`${name} cut at ${cut.join(" and ")} gives what the whole file gives`, async (t) => {
		const bytes = await modelFile(name);
		const arrays = await readNpz(sharedPath("vectors", "onnx", `${name}.npz`));
		const golden = (key: string) => arrays.get(key) as Tensor;
		const network = importNetwork(bytes, { name, cut });
		const training = Number((arrays.get("train") as Tensor).data[0]) === 1;
		const got = await runImported(network, golden("in.input"), training);
		t.deepEqual(got.smashed?.dims.slice(1), [...smashedShape]);
		t.true(relativeError(got.logits as Tensor, golden("output")) < 1e-5);
		if (!training) return;
		const statistics = [...arrays.keys()].filter((key) => key.startsWith("after."));
		for (const key of statistics) {
			// The file was written after that pass, so it starts where the vectors end.
			const next = got[`next ${key.slice("after.".length)}`] as Tensor;
			const moved = relativeError(next, golden(key));
			t.true(moved > 1e-3 && moved < 1, `${key} moves by ${moved}`);
		}
		if (statistics.length === 0) return;
		const batch = await batchStatistics(bytes, golden("in.input"));
		t.is(2 * batch.length, statistics.length);
		for (const { mean, variance } of batch) {
			for (const { name, values } of [mean, variance]) {
				const before = golden(`after.${name}`);
				const expected = Array.from(before.data as Float32Array, (v, c) => 0.9 * v + 0.1 * (values[c] as number));
				const error = relativeError(
					got[`next ${name}`] as Tensor,
					tensor("float32", before.dims, Float32Array.from(expected)),
				);
				t.true(error < 1e-5, `${name} off by ${error}`);
			}
		}
		t.is(Object.keys(got).filter((key) => key.startsWith("next ")).length, statistics.length);
	});
}

withShared("a file exported in training mode normalises by its running statistics when it infers", async (t) => {
	const bytes = await modelFile("resnet8_bn_op15_train");
	const network = importNetwork(bytes, { name: "resnet8", cut: ["/s1/Relu_1_output_0"] });
	const random = seededRandom(3);
	const x = tensor(
		"float32",
		[2, 3, 32, 32],
		Float32Array.from({ length: 6144 }, () => random.uniform()),
	);
	const both = (await runImported(network, x, false)).logits as Tensor<"float32">;
	const first = tensor("float32", [1, 3, 32, 32], x.data.slice(0, 3072));
	const alone = (await runImported(network, first, false)).logits as Tensor<"float32">;
	t.deepEqual(Array.from(both.data).slice(0, 10), Array.from(alone.data), "a sample does not depend on its neighbours");
});

withShared("normalisation is part of the client segment and of the manifest", async (t) => {
	const bytes = await modelFile("lenet_op13");
	const random = seededRandom(4);
	const x = Float32Array.from({ length: 2 * 784 }, () => random.uniform());
	const plain = importNetwork(bytes, { name: "lenet", cut: ["/Relu_output_0"] });
	const normalise = { mean: [0.25], std: [0.5] };
	const normalising = importNetwork(bytes, { name: "lenet", cut: ["/Relu_output_0"], normalise });
	const got = await runImported(normalising, tensor("float32", [2, 1, 28, 28], x), false);
	const by = x.map((v) => (v - 0.25) / 0.5);
	const expected = await runImported(plain, tensor("float32", [2, 1, 28, 28], by), false);
	t.true(relativeError(got.logits as Tensor, expected.logits as Tensor) < 1e-6);
	const classes = Array.from({ length: 10 }, (_, i) => String(i));
	const definition = presetDefinition("none", normalising, [1, 28, 28], classes);
	const { manifest } = await compileArtifact(definition, { name: "lenet", random: seededRandom(1) });
	t.deepEqual(manifest.normalise, normalise);
	const wrong = { mean: [0.1, 0.2], std: [1, 1] };
	const error = t.throws(() => importNetwork(bytes, { name: "lenet", cut: ["/Relu_output_0"], normalise: wrong }), {
		instanceOf: ConfigError,
	});
	t.is(error?.code, "PSGL_NORMALISATION");
});

withShared("every stream of every privacy mode but the shield starts from the file's weights, unpacked", async (t) => {
	const bytes = await modelFile("lenet_op13");
	const network = importNetwork(bytes, { name: "lenet", cut: ["/Relu_output_0"] });
	const classes = Array.from({ length: 10 }, (_, i) => String(i));
	const weights = await readNpz(sharedPath("vectors", "onnx", "lenet_op13.npz"));
	t.true(weights.has("g.f3.bias"));
	let fileBias: readonly number[] | undefined;
	// A shield codes what the file's first half gives, and puts a network of its own behind.
	for (const mode of privacyModes.filter((name) => name !== "shield")) {
		const definition = presetDefinition(mode, network, [1, 28, 28], classes);
		const artifact = await compileArtifact(definition, { name: "lenet", random: seededRandom(1) });
		t.is(artifact.manifest.packing, "none");
		t.deepEqual(artifact.manifest.client.params.map(({ name }) => name).sort(), [
			"c1.bias",
			"c1.weight",
			"c2.bias",
			"c2.weight",
		]);
		const params = artifactTensor(artifact, "server/params").data;
		const biases = (artifact.manifest.server?.params ?? [])
			.filter(({ name }) => name.endsWith(".f3.bias"))
			.map(({ offset }) => Array.from(params.subarray(offset, offset + 10)));
		t.is(biases.length, mode === "none" ? 1 : 3);
		fileBias ??= biases[0];
		for (const bias of biases) t.deepEqual(bias, fileBias);
		for (const [name, graph] of artifact.graphs) {
			await using session = await nodeRuntime.load(graph);
			t.true(session.inputNames.length > 0, name);
		}
	}
	t.true(fileBias?.some((v) => v !== 0));
});

const relu = (input: string, output: string): FileNode => ({ type: "Relu", inputs: [input], outputs: [output] });

/** x [N,2,1] -> two branches -> Concat -> weights -> y [N,4]. */
const branched: OnnxFile = {
	opset: 17,
	inputs: { x: ["N", 2, 1] },
	outputs: ["y"],
	floats: { scale: [1, 2], bias: [1, 2, 3, 4] },
	nodes: [
		{ type: "Flatten", inputs: ["x"], outputs: ["flat"], attributes: { axis: { i: 1 } } },
		{ type: "Mul", inputs: ["flat", "scale"], outputs: ["scaled"] },
		relu("scaled", "left"),
		{ type: "Tanh", inputs: ["scaled"], outputs: ["right"] },
		{ type: "Concat", inputs: ["left", "right"], outputs: ["joined"], attributes: { axis: { i: 1 } } },
		{ type: "Add", inputs: ["joined", "bias"], outputs: ["y"] },
	],
};

const error = (file: Partial<OnnxFile>, cut: readonly string[], inputShape?: readonly number[]) => {
	try {
		importNetwork(onnxFile({ ...branched, ...file }), { name: "branched", cut, inputShape });
	} catch (thrown) {
		if (thrown instanceof PsglError) return thrown;
		throw thrown;
	}
	return undefined;
};

test("a cut that a path goes past is refused, and what to add is said", (t) => {
	const thrown = error({}, ["left"]);
	t.is(thrown?.code, "PSGL_CUT_NOT_SEPARATING");
	t.regex(thrown?.message ?? "", /past it go right|past it go scaled/);
	const complete = /--cut (\S+)$/.exec(thrown?.remedy ?? "")?.[1]?.split(",") ?? [];
	t.is(error({}, complete), undefined, "the cut the remedy names separates");
	t.is(error({}, ["left", "right"]), undefined);
});

test("an unknown tensor of a cut brings the nearest names", (t) => {
	const thrown = error({}, ["rihgt"]);
	t.is(thrown?.code, "PSGL_CUT_UNKNOWN");
	t.regex(thrown?.expected ?? "", /such as right/);
});

test("a cut that leaves a side nothing to train is refused", (t) => {
	t.is(error({}, ["x"])?.code, "PSGL_CUT_EMPTY");
	t.is(error({}, ["flat"])?.code, "PSGL_CUT_EMPTY");
	t.is(error({}, ["y"])?.code, "PSGL_CUT_EMPTY");
});

test("a tensor nothing behind the cut needs is refused", (t) => {
	t.is(error({}, ["scaled", "joined"])?.code, "PSGL_CUT_TENSOR");
});

test("a weight used on both sides is refused", (t) => {
	const nodes: readonly FileNode[] = [
		{ type: "Flatten", inputs: ["x"], outputs: ["flat"], attributes: { axis: { i: 1 } } },
		{ type: "Mul", inputs: ["flat", "scale"], outputs: ["scaled"] },
		{ type: "Mul", inputs: ["scaled", "scale"], outputs: ["y"] },
	];
	const thrown = error({ nodes }, ["scaled"]);
	t.is(thrown?.code, "PSGL_CUT_SHARED_WEIGHT");
	t.is(thrown?.got, "scale");
});

test("equal weights that an exporter wrote once are weights of their own", (t) => {
	const nodes: readonly FileNode[] = [
		{ type: "Identity", inputs: ["scale"], outputs: ["second"] },
		{ type: "Flatten", inputs: ["x"], outputs: ["flat"], attributes: { axis: { i: 1 } } },
		{ type: "Mul", inputs: ["flat", "scale"], outputs: ["scaled"] },
		{ type: "Mul", inputs: ["scaled", "second"], outputs: ["y"] },
	];
	t.is(error({ nodes }, ["scaled"]), undefined);
});

test("open sizes have to be said, and wrong ones are refused", (t) => {
	const open = { inputs: { x: ["N", 2, "L"] } };
	t.is(error(open, ["scaled"])?.code, "PSGL_ONNX_INPUT_SHAPE");
	t.is(error(open, ["scaled"], [2, 1]), undefined);
	t.is(error({}, ["scaled"], [2, 5])?.code, "PSGL_ONNX_INPUT_SHAPE");
	t.is(error({ inputs: { x: ["N", 2] } }, ["scaled"])?.code, "PSGL_ONNX_INPUT");
	const two = error({ inputs: { x: ["N", 2, 1], other: ["N", 2, 1] } }, ["scaled"]);
	t.is(two?.code, "PSGL_ONNX_INPUT");
	t.regex(two?.remedy ?? "", /only input/);
});

test("a part that computes in float64 or float16 is refused, with its node; settings in float64 are not", (t) => {
	const cast = (input: string, output: string, to: number): FileNode => ({
		type: "Cast",
		inputs: [input],
		outputs: [output],
		attributes: { to: { i: to } },
	});
	const scaled = (...between: readonly FileNode[]) => [
		branched.nodes[0] as FileNode,
		...between,
		...branched.nodes.slice(2),
	];
	for (const to of [10, 11]) {
		const nodes = scaled(
			cast("flat", "wide", to),
			cast("scale", "wide scale", to),
			{ type: "Mul", inputs: ["wide", "wide scale"], outputs: ["product"] },
			cast("product", "scaled", 1),
		);
		const thrown = error({ nodes }, ["scaled"]);
		t.is(thrown?.code, "PSGL_ONNX_DTYPE");
		t.regex(thrown?.message ?? "", /Cast_wide \(Cast\).*float(64|16) \[B,2\].*model\.float\(\)/s);
	}
	const setting: readonly FileNode[] = [
		{ type: "Constant", inputs: [], outputs: ["two"], attributes: { value_float: { f: 2 } } },
		cast("two", "wide two", 11),
		cast("wide two", "narrow two", 1),
		{ type: "Mul", inputs: ["flat", "scale"], outputs: ["product"] },
		{ type: "Mul", inputs: ["product", "narrow two"], outputs: ["scaled"] },
	];
	t.is(error({ nodes: scaled(...setting) }, ["scaled"]), undefined);
});

test("spatial axes the file leaves open are settled by the given shape, in Resize and Reshape too", (t) => {
	const open = { inputs: { x: ["N", 2, "length"] } };
	const nodes: readonly FileNode[] = [
		{ type: "Shape", inputs: ["x"], outputs: ["shape"] },
		{ type: "Constant", inputs: [], outputs: ["minus"], attributes: { value: { tensor: [-1] } } },
		{ type: "Constant", inputs: [], outputs: ["from"], attributes: { value: { tensor: [0] } } },
		{ type: "Constant", inputs: [], outputs: ["to"], attributes: { value: { tensor: [1] } } },
		{ type: "Slice", inputs: ["shape", "from", "to"], outputs: ["batch"] },
		{ type: "Concat", inputs: ["batch", "minus"], outputs: ["target"], attributes: { axis: { i: 0 } } },
		{ type: "Reshape", inputs: ["x", "target"], outputs: ["flat"] },
		...branched.nodes.slice(1),
	];
	t.is(error({ ...open, nodes }, ["scaled"], [2, 1]), undefined);
	const unsaid = error({ ...open, nodes }, ["scaled"]);
	t.is(unsaid?.code, "PSGL_ONNX_INPUT_SHAPE");
	t.regex(unsaid?.message ?? "", /\[N,2,length\].*--input/s);
	// With another length the weights behind do not fit: both shapes are in the message.
	const unfit = error({ ...open, nodes }, ["scaled"], [2, 3]);
	t.is(unfit?.code, "PSGL_SHAPE_MISMATCH");
	t.regex(unfit?.message ?? "", /\[B,6\] and \[2\][\s\S]*onnx\.checker/);
});

test("control flow is called what it is", (t) => {
	const nodes: readonly FileNode[] = [...branched.nodes, { type: "Loop", inputs: ["y"], outputs: ["z"] }];
	t.is(error({ nodes }, ["scaled"])?.code, "PSGL_ONNX_CONTROL_FLOW");
});

test("an operator psgl does not have is named with its node, and what would make it usable", (t) => {
	const nodes: readonly FileNode[] = [...branched.nodes, { type: "Bernoulli", inputs: ["y"], outputs: ["z"] }];
	const thrown = error({ nodes }, ["scaled"]);
	t.is(thrown?.code, "PSGL_OPERATOR_UNKNOWN");
	t.regex(thrown?.message ?? "", /Bernoulli_z[\s\S]*Bernoulli[\s\S]*infer_shapes/);
});

test("an output that is no scores of a batch is refused", (t) => {
	t.is(error({ outputs: ["x"] }, ["scaled"])?.code, "PSGL_ONNX_OUTPUT");
});

test("a batch the file fixes is left open; where its nodes count on it, that is said", (t) => {
	const fixed = { inputs: { x: [1, 2, 1] } };
	t.is(error(fixed, ["scaled"]), undefined);
	const nodes: readonly FileNode[] = [
		{ type: "Constant", inputs: [], outputs: ["target"], attributes: { value: { tensor: [1, 2] } } },
		{ type: "Reshape", inputs: ["x", "target"], outputs: ["flat"] },
		...branched.nodes.slice(1),
	];
	const thrown = error({ ...fixed, nodes }, ["scaled"]);
	t.is(thrown?.code, "PSGL_SHAPE_MISMATCH");
	t.regex(thrown?.remedy ?? "", /fixes the batch[\s\S]*dynamic_axes/);
});

test("a soft-max at the end is left away, and a note says so", (t) => {
	const nodes: readonly FileNode[] = [...branched.nodes, { type: "Softmax", inputs: ["y"], outputs: ["p"] }];
	const bytes = onnxFile({ ...branched, nodes, outputs: ["p"] });
	const network = importNetwork(bytes, { name: "branched", cut: ["scaled"] });
	t.true(network.notes.some((note) => note.startsWith("Softmax")));
});

test("a number of classes that disagrees with the output is refused", async (t) => {
	const network = importNetwork(onnxFile(branched), { name: "branched", cut: ["scaled"] });
	const definition = presetDefinition("none", network, [2, 1], ["a", "b"]);
	const thrown = await t.throwsAsync(compileArtifact(definition, { name: "branched", random: seededRandom(1) }), {
		instanceOf: ConfigError,
	});
	t.is(thrown?.code, "PSGL_MODEL_CLASSES");
	t.regex(thrown?.message ?? "", /2 classes; expected 4/);
});
