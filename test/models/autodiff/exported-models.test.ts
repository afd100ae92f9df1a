import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "@psgl/sdk";
import { readNpz } from "@psgl/sdk/sources";
import test from "ava";
import { relativeError } from "../../helpers/golden.js";
import { adamLosses, importedTraining } from "../../helpers/imported-training.js";
import { projectFolder } from "../../helpers/run-cli.js";

/** Written by bench/reference/export_models.py. */
const models = [
	"causal_attention_op14",
	"decoder_op16",
	"einsum_attention_op12",
	"gru_bidirectional_op17",
	"gru_op13",
	"lstm_op11",
	"lstm_two_layers_op14",
	"mobile_blocks_op14",
	"normalisations_op17",
	"rnn_op15",
];

const magnitude = ({ data }: Tensor) => Math.max(...Array.from(data as ArrayLike<number>, Math.abs));

for (const name of models) {
	test(`${name}: output, gradients and ten steps of Adam as PyTorch's`, async (t) => {
		const path = join(projectFolder, "test/fixtures/onnx", name);
		const arrays = (await readNpz(`${path}.npz`)) as ReadonlyMap<string, Tensor>;
		const golden = (key: string) => arrays.get(key) as Tensor;
		const training = await importedTraining(await readFile(`${path}.onnx`), arrays);
		await using session = training.session;
		const got = await session.run(training.feeds);
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
		const losses = await adamLosses(training, 10);
		losses.forEach((loss, i) => {
			const expected = Number(golden("adam").data[i]);
			t.true(Math.abs(loss - expected) < 1e-3 * expected, `step ${i}: ${loss}, not ${expected}`);
		});
		t.not(losses[9], losses[0]);
	});
}
