import { readFile } from "node:fs/promises";
import {
	crossEntropy,
	differentiate,
	encodeModel,
	GraphBuilder,
	importModel,
	meanSquaredError,
	type Value,
} from "@psgl/models";
import { labelTensor, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { readNpz } from "@psgl/sdk/sources";
import { relativeError } from "../../helpers/golden.js";
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
	withShared(`${name}: loss, input gradient and every parameter gradient as PyTorch's`, async (t) => {
		const arrays = await readNpz(sharedPath("vectors", "onnx", `${name}.npz`));
		const golden = (key: string) => arrays.get(key) as Tensor;
		const feeds: Record<string, Tensor> = {};
		const wrt: { readonly key: string; readonly value: Value }[] = [];
		const g = new GraphBuilder(name);
		const outputs = importModel(g, await readFile(sharedPath("vectors", "onnx", `${name}.onnx`)), {
			input(input, dtype, shape) {
				feeds[input] = golden(`in.${input}`);
				const value = g.input(input, dtype, shape);
				wrt.push({ key: `gin.${input}`, value });
				return value;
			},
			initializer(parameter, tensor) {
				if (!arrays.has(`g.${parameter}`)) return g.constant(tensor, parameter);
				feeds[parameter] = tensor;
				const value = g.input(parameter, tensor.dtype, tensor.dims);
				wrt.push({ key: `g.${parameter}`, value });
				return value;
			},
		});
		const output = outputs.get("output") as Value;
		const wanted = golden("target");
		const isClass = wanted.dtype === "int64";
		const target = g.input("target", wanted.dtype, isClass ? ["N"] : wanted.dims);
		feeds.target = isClass ? labelTensor(Array.from(wanted.data as BigInt64Array, Number)) : wanted;
		const loss = isClass ? crossEntropy(g, { logits: output, target }) : meanSquaredError(g, output, target);
		g.output("loss", loss);
		const gradients = differentiate(
			g,
			[{ value: loss }],
			wrt.map(({ value }) => value),
		);
		gradients.forEach((gradient, i) => {
			if (gradient !== undefined) g.output(wrt[i]?.key as string, gradient);
		});
		await using session = await nodeRuntime.load(encodeModel(g.build()));
		const got = await session.run(feeds);
		t.true(relativeError(got.loss as Tensor, golden("loss")) < 1e-5, "loss");
		t.is(wrt.length, [...arrays.keys()].filter((key) => key.startsWith("g.") || key.startsWith("gin.")).length);
		const largest = Math.max(...wrt.map(({ key }) => magnitude(golden(key))));
		for (const { key } of wrt) {
			// A bias in front of a batch normalisation has a gradient of zero but for rounding.
			if (magnitude(golden(key)) < 1e-6 * largest) continue;
			const error = relativeError(got[key] as Tensor, golden(key));
			t.true(error < 1e-5, `${key} off by ${error}`);
		}
	});
}

function magnitude(tensor: Tensor): number {
	return (tensor.data as Float32Array).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
