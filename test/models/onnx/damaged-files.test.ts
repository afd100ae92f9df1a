import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeModel, encodeModel } from "@psgl/models";
import { PsglError, seededRandom } from "@psgl/sdk";
import test from "ava";
import { onnxFile } from "../../helpers/onnx-file.js";
import { projectFolder } from "../../helpers/run-cli.js";

const names = ["lstm_op11", "gru_op13", "einsum_attention_op12", "mobile_blocks_op14", "decoder_op16"];

/** As psgl writes a long recurrent layer: a Scan whose body reads values from outside. */
function scanFile(): Uint8Array {
	const attributes = { hidden_size: { i: 2 } };
	const inputs = { X: [40, "N", 3], W: [1, 8, 3], R: [1, 8, 2] };
	const nodes = [{ type: "LSTM", inputs: Object.keys(inputs), outputs: ["Y"], attributes }];
	return encodeModel(decodeModel(onnxFile({ opset: 14, inputs, outputs: ["Y"], nodes })));
}

for (const name of [...names, "a Scan"]) {
	test(`${name} with damaged bytes is read or refused with a code, whatever they are`, async (t) => {
		const path = join(projectFolder, "test/fixtures/onnx", `${name}.onnx`);
		const bytes = name === "a Scan" ? scanFile() : await readFile(path);
		t.notThrows(() => decodeModel(bytes));
		const random = seededRandom(31).fork(name);
		const codes = new Map<string, number>();
		for (let i = 0; i < 250; i++) {
			// Every fourth file is cut off as well.
			const damaged = new Uint8Array(bytes).slice(0, i % 4 === 0 ? 1 + random.integer(bytes.length - 1) : bytes.length);
			for (let k = 0; k <= i % 5; k++) damaged[random.integer(damaged.length)] = random.integer(256);
			try {
				decodeModel(damaged);
			} catch (error) {
				if (!(error instanceof PsglError)) throw error;
				codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
			}
		}
		t.true(codes.size >= 3, [...codes.keys()].join());
	});
}
