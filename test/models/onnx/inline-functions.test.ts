import { decodeModel, encodeModel, onnxLimits } from "@psgl/models";
import { LimitError, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import { type FileFunction, type FileNode, type OnnxFile, onnxFile } from "../../helpers/onnx-file.js";

const x = tensor(
	"float32",
	[2, 3],
	Float32Array.from({ length: 6 }, (_, i) => Math.sin(i)),
);

/** Holds what psgl makes of a file against ONNX Runtime, which runs functions of a file by itself. */
async function asTheFileItself(t: ExecutionContext, parts: Omit<OnnxFile, "opset" | "inputs">): Promise<Tensor> {
	const file = onnxFile({ opset: 17, inputs: { x: [2, 3] }, ...parts });
	await using written = await nodeRuntime.load(encodeModel(decodeModel(file)));
	await using itself = await nodeRuntime.load(file);
	const [own, wanted] = [await written.run({ x }), await itself.run({ x })];
	for (const name of parts.outputs) t.deepEqual(own[name], wanted[name], name);
	return own[parts.outputs[0] as string] as Tensor;
}

const call = (type: string, inputs: readonly string[], outputs: readonly string[], more: Partial<FileNode> = {}) => ({
	type,
	domain: "own",
	inputs,
	outputs,
	...more,
});
const node = (type: string, inputs: readonly string[], outputs: readonly string[]): FileNode => ({
	type,
	inputs,
	outputs,
});

test("functions become their nodes, called twice, one in the other, with names that the graph has too", async (t) => {
	const functions: FileFunction[] = [
		{
			name: "Twice",
			inputs: ["a"],
			outputs: ["b"],
			nodes: [node("Add", ["a", "a"], ["t"]), node("Relu", ["t"], ["b"])],
		},
		{
			name: "Deep",
			inputs: ["a", "c"],
			outputs: ["b"],
			nodes: [call("Twice", ["a"], ["t"]), node("Mul", ["t", "c"], ["u"]), call("Twice", ["u"], ["b"])],
		},
	];
	const nodes: FileNode[] = [
		node("Neg", ["x"], ["Deep_y/t"]),
		call("Deep", ["x", "Deep_y/t"], ["y"]),
		call("Deep", ["y", "x"], ["z"]),
	];
	await asTheFileItself(t, { outputs: ["y", "z"], nodes, functions });
});

test("attributes of a call, and what they are where it leaves them away", async (t) => {
	const softmax: FileNode = { ...node("Softmax", ["a"], ["b"]), attributes: { axis: { reference: "along" } } };
	const functions: FileFunction[] = [
		{ name: "Given", inputs: ["a"], outputs: ["b"], nodes: [softmax], attributes: ["along"] },
		{ name: "Usual", inputs: ["a"], outputs: ["b"], nodes: [softmax], defaults: { along: { i: 0 } } },
	];
	const nodes: FileNode[] = [
		call("Given", ["x"], ["y"], { attributes: { along: { i: 0 } } }),
		call("Usual", ["x"], ["z"]),
		call("Usual", ["x"], ["w"], { attributes: { along: { i: 1 } } }),
	];
	const y = await asTheFileItself(t, { outputs: ["y", "z", "w"], nodes, functions });
	t.true(Math.abs(Number(y.data[0]) + Number(y.data[3]) - 1) < 1e-6);
});

test("an attribute that neither call nor function gives is left to the operator", async (t) => {
	const softmax: FileNode = { ...node("Softmax", ["a"], ["b"]), attributes: { axis: { reference: "along" } } };
	const functions: FileFunction[] = [
		{ name: "Open", inputs: ["a"], outputs: ["b"], nodes: [softmax], attributes: ["along"] },
	];
	await asTheFileItself(t, { outputs: ["y"], nodes: [call("Open", ["x"], ["y"])], functions });
});

test("an input that is left away, and an output that nobody takes", async (t) => {
	const product: FileNode = { ...node("Gemm", ["a", "b", "c"], ["d"]), attributes: { transB: { i: 1 } } };
	const functions: FileFunction[] = [
		{ name: "Own", inputs: ["a", "b", "c"], outputs: ["d", "e"], nodes: [product, node("Neg", ["d"], ["e"])] },
	];
	const nodes = [call("Own", ["x", "x"], ["y", "z"]), call("Own", ["x", "x"], ["w", ""])];
	await asTheFileItself(t, { outputs: ["y", "z", "w"], nodes, functions });
});

test("an input that a function hands on, and one result under two names", async (t) => {
	const functions: FileFunction[] = [
		{ name: "Own", inputs: ["a"], outputs: ["a", "b", "b"], nodes: [node("Neg", ["a"], ["b"])] },
	];
	const outputs = ["same", "y", "z"];
	const file = onnxFile({ opset: 17, inputs: { x: [2, 3] }, outputs, nodes: [call("Own", ["x"], outputs)], functions });
	await using session = await nodeRuntime.load(encodeModel(decodeModel(file)));
	const { same, y, z } = await session.run({ x });
	t.deepEqual(same, x);
	t.deepEqual(
		y?.data,
		x.data.map((value) => -value),
	);
	t.deepEqual(z, y);
});

test("functions within a branch, and a branch within a function", async (t) => {
	const one = { i: 1 };
	const pick = (inputs: readonly string[], branch: FileNode): FileNode => ({
		type: "If",
		inputs,
		outputs: ["b"],
		attributes: {
			then_branch: { graph: { nodes: [branch], outputs: ["inner"] } },
			else_branch: { graph: { nodes: [node("Neg", ["a"], ["inner"])], outputs: ["inner"] } },
		},
	});
	const constant: FileNode = { ...node("Constant", [], ["one"]), attributes: { value_int: one } };
	const truth: FileNode = { ...node("Cast", ["one"], ["yes"]), attributes: { to: { i: 9 } } };
	const functions: FileFunction[] = [
		{ name: "Half", inputs: ["a"], outputs: ["b"], nodes: [node("Sigmoid", ["a"], ["b"])] },
		{
			name: "Chosen",
			inputs: ["a"],
			outputs: ["b"],
			nodes: [constant, truth, pick(["yes"], call("Half", ["a"], ["inner"]))],
		},
	];
	const nodes: FileNode[] = [
		call("Chosen", ["x"], ["a"]),
		constant,
		truth,
		{ ...pick(["yes"], call("Half", ["a"], ["inner"])), outputs: ["y"] },
	];
	await asTheFileItself(t, { outputs: ["y"], nodes, functions });
});

test("functions in a circle, too deep, or that multiply are refused before they take memory", (t) => {
	const refused = (functions: readonly FileFunction[]) => {
		const nodes = [call("F0", ["x"], ["y"])];
		const file = onnxFile({ opset: 17, inputs: { x: [2, 3] }, outputs: ["y"], nodes, functions });
		return t.throws(() => decodeModel(file), { instanceOf: LimitError, code: "PSGL_ONNX_FUNCTIONS" });
	};
	const chain = (length: number, times: number): FileFunction[] =>
		Array.from({ length }, (_, n) => {
			const next = (input: string, output: string) =>
				n === length - 1 ? node("Neg", [input], [output]) : call(`F${n + 1}`, [input], [output]);
			const names = ["a", ...Array.from({ length: times - 1 }, (_, i) => `t${i}`), "b"];
			const nodes = names.slice(1).map((name, i) => next(names[i] as string, name));
			return { name: `F${n}`, inputs: ["a"], outputs: ["b"], nodes };
		});
	const circle = [{ name: "F0", inputs: ["a"], outputs: ["b"], nodes: [call("F0", ["a"], ["b"])] }];
	t.regex(refused(circle)?.message ?? "", /in a circle/);
	t.regex(refused(chain(onnxLimits.maxFunctionDepth + 1, 1))?.message ?? "", /deep/);
	const doublings = Math.ceil(Math.log2(onnxLimits.maxInlinedNodes));
	t.regex(refused(chain(doublings, 2))?.message ?? "", /more than 200000 nodes/);
	const deepest = onnxFile({
		opset: 17,
		inputs: { x: [2, 3] },
		outputs: ["y"],
		nodes: [call("F0", ["x"], ["y"])],
		functions: chain(onnxLimits.maxFunctionDepth, 1),
	});
	t.is(decodeModel(deepest).nodes.length, 1);
});
