import { readFile } from "node:fs/promises";
import { attributes, decodeModel, encodeModel, GraphBuilder } from "@psgl/models";
import { ArtifactError, PsglError, seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { goldenVectors, relativeError } from "../../helpers/golden.js";
import { sharedPath, withShared } from "../../helpers/shared.js";

const models = [
	"ecg1d_op13",
	"ffdnet_like_op13",
	"lenet_op13",
	"psgl_splitnet_op17",
	"resnet8_bn_op15_eval",
	"resnet8_bn_op15_train",
	"tinyvit_op16",
];

for (const name of models) {
	withShared(`${name}: read, written again and run gives PyTorch's output`, async (t) => {
		const graph = decodeModel(await readFile(sharedPath("vectors", "onnx", `${name}.onnx`)));
		const golden = await goldenVectors(`onnx/${name}`);
		await using session = await nodeRuntime.load(encodeModel(graph));
		const feeds = Object.fromEntries(graph.inputs.map((input) => [input.name, golden(`in.${input.name}`)]));
		const { output } = await session.run(feeds);
		const error = relativeError(output as Tensor, golden("output"));
		t.true(error < 1e-5, `off by ${error}`);
	});
}

/** A graph with every kind of attribute and element type that survives a round trip. */
function example() {
	const g = new GraphBuilder("example");
	const x = g.input("x", "float32", ["B", 2, 4, 4]);
	const weight = g.constant(
		{ dtype: "float32", dims: [8, 3], data: Float32Array.from({ length: 24 }, Math.sin) },
		"weight",
	);
	const packed = g.add("SpaceToDepth", [x], { blocksize: attributes.int(2) });
	const rows = g.add("Transpose", [packed], { perm: attributes.ints([0, 2, 3, 1]) });
	const y = g.add("LeakyRelu", [g.add("MatMul", [rows, weight])], { alpha: attributes.float(0.3) });
	const spaced = g.add("DepthToSpace", [packed], { blocksize: attributes.int(2), mode: attributes.string("CRD") });
	g.output("y", y);
	g.output("bits", g.add("Cast", [spaced], { to: attributes.int(10) }));
	return g.build();
}

test("what is written is read back as the same graph", (t) => {
	const once = decodeModel(encodeModel(example()), "example");
	const twice = decodeModel(encodeModel(once), "example");
	t.deepEqual(
		once.nodes.map((n) => n.type).filter((type) => type !== "Identity"),
		example()
			.nodes.map((n) => n.type)
			.filter((type) => type !== "Identity"),
	);
	t.deepEqual(once.inputs, example().inputs);
	t.deepEqual(once.outputs, example().outputs);
	t.deepEqual(once.initializers.get("weight"), example().initializers.get("weight"));
	t.deepEqual(encodeModel(twice), encodeModel(once));
});

test("a truncated file is refused as such", (t) => {
	const bytes = encodeModel(example());
	const error = t.throws(() => decodeModel(bytes.subarray(0, bytes.length - 20)), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_ONNX_TRUNCATED");
});

test("a file that is no ONNX is refused as such", (t) => {
	for (const bytes of [new TextEncoder().encode("<!DOCTYPE html><html></html>"), new Uint8Array()]) {
		const error = t.throws(() => decodeModel(bytes), { instanceOf: ArtifactError });
		t.is(error?.code, "PSGL_ONNX_NOT_ONNX");
	}
});

test("a damaged file is read or refused, but never anything else", (t) => {
	const random = seededRandom(5);
	const bytes = encodeModel(example());
	let refused = 0;
	for (let i = 0; i < 400; i++) {
		const damaged = bytes.slice(0, i % 4 === 0 ? random.integer(bytes.length) : bytes.length);
		for (let k = 0; k < 3; k++) damaged[random.integer(damaged.length + 1)] = random.integer(256);
		try {
			decodeModel(damaged);
		} catch (error) {
			if (!(error instanceof PsglError)) throw error;
			refused++;
		}
	}
	t.true(refused > 100);
});
