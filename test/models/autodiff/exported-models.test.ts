import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { readNpz } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import { relativeError } from "../../helpers/golden.js";
import { adamLosses, type ImportedTraining, importedTraining } from "../../helpers/imported-training.js";
import { rewriteOpset } from "../../helpers/rewrite-opset.js";
import { projectFolder } from "../../helpers/run-cli.js";
import { sharedPath, withShared } from "../../helpers/shared.js";

/** Written by bench/reference/export_models.py. */
const models = [
	"causal_attention_op14",
	"decoder_op16",
	"einsum_attention_op12",
	"gru_bidirectional_151_steps_op14",
	"gru_bidirectional_op17",
	"gru_op13",
	"lstm_151_steps_op17",
	"lstm_op11",
	"lstm_two_layers_op14",
	"mobile_blocks_op14",
	"normalisations_op17",
	"picks_op13",
	"rnn_op15",
	"rnn_relu_op13",
	"shuffled_op17",
	"transformer_encoder_op14",
	"unet_op11",
];

const magnitude = ({ data }: Tensor) => Math.max(...Array.from(data as ArrayLike<number>, Math.abs));

for (const name of models) {
	test(`${name}: output, gradients and ten steps of Adam as PyTorch's`, async (t) => {
		await comparedWithPyTorch(t, join(projectFolder, "test/fixtures/onnx", name));
	});
}

/** Exported elsewhere; their losses are from bench/reference/adam_losses.py. */
const others = [
	"ecg1d_op13",
	"ffdnet_like_op13",
	"lenet_op13",
	"psgl_splitnet_op17",
	"resnet8_bn_op15_eval",
	"resnet8_bn_op15_train",
	"tinyvit_op16",
];

for (const name of others) {
	withShared(`${name}: output, gradients and ten steps of Adam as PyTorch's`, async (t) => {
		const text = await readFile(join(projectFolder, "test/fixtures/onnx/adam-losses.json"), "utf8");
		await comparedWithPyTorch(t, sharedPath("vectors", "onnx", name), JSON.parse(text)[name] as readonly number[]);
	});
}

/** The same networks as files of the other opsets psgl reads. */
const rewritten: readonly (readonly [string, readonly number[]])[] = [
	["lenet_op13", [11, 18]],
	["tinyvit_op16", [11, 12, 18, 21]],
	["resnet8_bn_op15_train", [19]],
	["ecg1d_op13", [19, 20]],
	["psgl_splitnet_op17", [20]],
];

for (const [name, opsets] of rewritten) {
	for (const opset of opsets) {
		withShared(`${name} as a file of opset ${opset}: output and gradients as PyTorch's`, async (t) => {
			const path = sharedPath("vectors", "onnx", name);
			const arrays = (await readNpz(`${path}.npz`)) as ReadonlyMap<string, Tensor>;
			const file = rewriteOpset(await readFile(`${path}.onnx`), opset);
			await using asWritten = await nodeRuntime.load(file);
			const [input = ""] = asWritten.inputNames;
			const written = await asWritten.run({ [input]: arrays.get(`in.${input}`) as Tensor });
			t.true(relativeError(written.output as Tensor, arrays.get("output") as Tensor) < 1e-5, "ONNX Runtime reads it");
			const { session } = await comparedGradients(t, file, arrays);
			await session.close();
		});
	}
}

for (const opset of [18, 19, 20, 21]) {
	test(`attention by Einsum, LSTM, and Resize as files of opset ${opset}: output and gradients as PyTorch's`, async (t) => {
		for (const name of ["einsum_attention_op12", "lstm_op11", "decoder_op16", "normalisations_op17"]) {
			const path = join(projectFolder, "test/fixtures/onnx", name);
			const arrays = (await readNpz(`${path}.npz`)) as ReadonlyMap<string, Tensor>;
			const file = rewriteOpset(await readFile(`${path}.onnx`), opset);
			const { session } = await comparedGradients(t, file, arrays);
			await session.close();
		}
	});
}

/** @param path of the `.onnx` and `.npz` files, without those endings */
async function comparedWithPyTorch(t: ExecutionContext, path: string, adam?: readonly number[]): Promise<void> {
	const arrays = (await readNpz(`${path}.npz`)) as ReadonlyMap<string, Tensor>;
	const training = await comparedGradients(t, await readFile(`${path}.onnx`), arrays);
	await using _session = training.session;
	const losses = await adamLosses(training, 10);
	const expected = adam ?? Array.from((arrays.get("adam") as Tensor).data as Float32Array);
	t.is(expected.length, 10);
	expected.forEach((loss, i) => {
		t.true(Math.abs(Number(losses[i]) - loss) < 1e-3 * loss, `step ${i}: ${losses[i]}, not ${loss}`);
	});
	t.not(losses[9], losses[0]);
}

/** The training graph of a file, its output, loss and gradients compared with `arrays`. */
async function comparedGradients(
	t: ExecutionContext,
	file: Uint8Array,
	arrays: ReadonlyMap<string, Tensor>,
): Promise<ImportedTraining> {
	const golden = (key: string) => arrays.get(key) as Tensor;
	const training = await importedTraining(file, arrays);
	const got = await training.session.run(training.feeds);
	for (const key of ["output", "loss"]) {
		const error = relativeError(got[key] as Tensor, golden(key));
		t.true(error < 1e-5, `${key} off by ${error}`);
	}
	t.is(training.gradients.length, [...arrays.keys()].filter((key) => /^g(in)?\./.test(key)).length);
	const largest = Math.max(...training.gradients.map((key) => magnitude(golden(key))));
	for (const key of training.gradients) {
		// What is zero but for rounding, as a bias in front of a normalisation.
		if (magnitude(golden(key)) < 1e-6 * largest) continue;
		const error = relativeError(got[key] as Tensor, golden(key));
		t.true(error < 1e-5, `${key} off by ${error}`);
	}
	return training;
}
