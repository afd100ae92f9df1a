import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { chooseCut, importNetwork, listCuts, readForeignModel } from "@psgl/models";
import { ConfigError, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { runImported } from "../../helpers/foreign-run.js";
import { relativeError } from "../../helpers/golden.js";
import { type FileNode, onnxFile } from "../../helpers/onnx-file.js";
import { projectFolder } from "../../helpers/run-cli.js";
import { sharedPath, withShared } from "../../helpers/shared.js";

const modelFile = (name: string) => readFile(sharedPath("vectors", "onnx", `${name}.onnx`));

withShared("costs of cuts are what a pencil gives", async (t) => {
	const cuts = listCuts(readForeignModel(await modelFile("lenet_op13")));
	const first = cuts[0];
	// c1: 6 filters of 1x5x5 over 28x28, padded.
	const operations = 2 * 6 * 28 * 28 * 25;
	t.like(first, {
		cut: ["/c1/Conv_output_0"],
		smashedShape: [6, 28, 28],
		bytesUp: { float32: 4 * 4704, float16: 2 * 4704 + 4, int8: 4704 + 24 },
		clientParameters: 6 * 25 + 6,
		forwardMflop: operations / 1e6,
		backwardMflop: (2 * operations) / 1e6,
		activationBytes: 4 * (784 + 4704 + 4704),
	});
	for (let i = 1; i < cuts.length; i++) {
		const [before, after] = [cuts[i - 1], cuts[i]];
		t.true((after?.forwardMflop ?? 0) >= (before?.forwardMflop ?? 0));
		t.true((after?.clientParameters ?? 0) >= (before?.clientParameters ?? 0));
	}
	for (const { estimates } of cuts) {
		t.is(estimates.length, 3);
		for (const { inferMs, trainMs } of estimates) t.true(inferMs > 0 && trainMs > 3 * inferMs);
	}
});

test("time steps cost the same written out and run by a Scan", async (t) => {
	const costs = async (name: string, steps: number) => {
		const cuts = listCuts(readForeignModel(await readFile(join(projectFolder, "test/fixtures/onnx", `${name}.onnx`))));
		const of = (tensorName: string) => cuts.find(({ cut }) => cut[0] === tensorName);
		const [before, after] = [of("/Relu_output_0"), of("/layer/Transpose_1_output_0")];
		return (Number(after?.forwardMflop) - Number(before?.forwardMflop)) / steps;
	};
	const [writtenOut, scanned] = [await costs("lstm_op11", 16), await costs("lstm_151_steps_op17", 151)];
	// Four gates: products with 6 inputs and 7 states for 7 units.
	t.true(writtenOut * 1e6 > 2 * 4 * 7 * 13);
	t.true(Math.abs(scanned - writtenOut) < 0.01 * writtenOut, `${scanned} and ${writtenOut}`);
});

withShared("every listed cut of a residual network runs and gives what the file gives", async (t) => {
	const bytes = await modelFile("resnet8_bn_op15_eval");
	const model = readForeignModel(bytes);
	const cuts = listCuts(model);
	t.true(cuts.some(({ cut }) => cut.length === 1) && cuts.some(({ cut }) => cut.length === 2));
	t.is(new Set(cuts.map(({ cut }) => cut.join())).size, cuts.length);
	const random = seededRandom(1);
	const x = tensor(
		"float32",
		[2, 3, 32, 32],
		Float32Array.from({ length: 6144 }, () => random.uniform()),
	);
	await using session = await nodeRuntime.load(bytes);
	const expected = (await session.run({ input: x })).output as Tensor;
	for (const { cut, smashedShape } of cuts) {
		const got = await runImported(importNetwork(model, { name: "resnet8", cut }), x, false);
		t.deepEqual(got.smashed?.dims.slice(1), [...smashedShape], cut.join());
		t.true(relativeError(got.logits as Tensor, expected) < 1e-5, cut.join());
	}
});

test("a cut before a mere reshaping and one after it count once, before and after a rectifier twice", (t) => {
	const nodes: readonly FileNode[] = [
		{ type: "Mul", inputs: ["x", "scale"], outputs: ["scaled"] },
		{ type: "Relu", inputs: ["scaled"], outputs: ["rectified"] },
		{ type: "Flatten", inputs: ["rectified"], outputs: ["flat"], attributes: { axis: { i: 1 } } },
		{ type: "Mul", inputs: ["flat", "second"], outputs: ["y"] },
	];
	const floats = { scale: [1, 2], second: [1, 2, 3, 4] };
	const model = readForeignModel(onnxFile({ opset: 17, inputs: { x: ["N", 2, 2] }, outputs: ["y"], nodes, floats }));
	t.deepEqual(
		listCuts(model).map(({ cut }) => cut),
		[["scaled"], ["rectified"]],
	);
});

test("a network with four skip connections can be cut across all of them", (t) => {
	const names = ["a", "b", "c", "d", "e"];
	const up = (from: string, skip: string, to: string): FileNode => ({
		type: "Add",
		inputs: [from, skip],
		outputs: [to],
	});
	const nodes: readonly FileNode[] = [
		...names.map((to, i) => ({ type: "Mul", inputs: [names[i - 1] ?? "x", `w${to}`], outputs: [to] })),
		up("e", "d", "f"),
		up("f", "c", "g"),
		up("g", "b", "h"),
		up("h", "a", "i"),
		{ type: "Flatten", inputs: ["i"], outputs: ["flat"] },
		{ type: "Mul", inputs: ["flat", "last"], outputs: ["y"] },
	];
	const floats = { ...Object.fromEntries(names.map((to) => [`w${to}`, [1, 2]])), last: [1, 2, 3, 4] };
	const model = readForeignModel(onnxFile({ opset: 17, inputs: { x: ["N", 2, 2] }, outputs: ["y"], nodes, floats }));
	const all = listCuts(model).filter(({ cut }) => cut.length === 5);
	t.deepEqual(all[0]?.cut, names);
	t.is(all[0]?.smashedShape.join(), "10,2");
});

withShared("the chosen cut is within the limits and the cheapest of those", async (t) => {
	const cuts = listCuts(readForeignModel(await modelFile("lenet_op13")));
	const limits = { maxBytes: 1000, maxClientMflop: 0.8, maxClientMemory: 200_000 };
	const { candidate, why } = chooseCut(cuts, 784, limits, "float16");
	t.deepEqual(candidate.cut, ["/MaxPool_output_0"], "the only one under 1000 bytes and 0.8 MFLOP");
	t.regex(why, /of 11 cuts 1 are within the limits/);
	const free = chooseCut(cuts, 784, {}, "float16").candidate;
	const cost = (c: typeof free) => c.bytesUp.float16 / 784 + c.clientShare;
	t.true(cuts.every((c) => cost(c) >= cost(free)));
});

withShared("limits that exclude every cut are named with what would do", async (t) => {
	const cuts = listCuts(readForeignModel(await modelFile("lenet_op13")));
	const refused = (limits: Parameters<typeof chooseCut>[2]) =>
		t.throws(() => chooseCut(cuts, 784, limits, "float16"), { instanceOf: ConfigError });
	t.is(refused({ maxBytes: 10 })?.code, "PSGL_CUT_NONE_FITS");
	t.is(refused({ maxBytes: 10, maxClientMflop: 100 })?.got, "--max-bytes 10: no cut is below 172");
	t.regex(refused({ maxBytes: 200, maxClientMflop: 0.5 })?.got ?? "", /each cut can meet, but none all/);
});
