import { readdirSync, readFileSync } from "node:fs";
import { decodeModel, readForeignModel } from "@psgl/models";
import { PsglError } from "@psgl/sdk";
import { type FileFunction, onnxFile } from "../../helpers/onnx-file.js";
import type { FuzzTarget } from "../fuzz-target.js";
import { mutateProtobuf } from "../mutate-protobuf.js";

const folder = new URL("../../../../test/fixtures/onnx/", import.meta.url);

/** Longest file to start from, bytes: longer ones have more weights, not more structure. */
const longest = 12_000;

/** A file with functions of its own, one in the other, and an attribute that a call gives. */
function withFunctions(): Uint8Array {
	const nodes = [{ type: "Outer", domain: "own", inputs: ["x"], outputs: ["y"], attributes: { along: { i: 1 } } }];
	const softmax = { type: "Softmax", inputs: ["a"], outputs: ["b"], attributes: { axis: { reference: "along" } } };
	const inner = { type: "Inner", domain: "own", inputs: ["a"], outputs: ["t"] };
	const functions: readonly FileFunction[] = [
		{ name: "Inner", inputs: ["a"], outputs: ["b"], nodes: [{ type: "Relu", inputs: ["a"], outputs: ["b"] }] },
		{
			name: "Outer",
			inputs: ["a"],
			outputs: ["b"],
			attributes: ["along"],
			nodes: [inner, { ...softmax, inputs: ["t"] }],
		},
	];
	return onnxFile({ opset: 17, inputs: { x: ["N", 3, 16, 16] }, outputs: ["y"], nodes, functions });
}

/** Files of other programs, read as psgl's own graphs and as classifiers to train. */
export async function onnxTarget(): Promise<FuzzTarget> {
	const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
	const seeds = files.map((name) => readFileSync(new URL(name, folder))).filter(({ length }) => length < longest);
	return {
		seeds: [...seeds, withFunctions()],
		mutations: [mutateProtobuf],
		read(bytes) {
			try {
				readForeignModel(bytes, { inputShape: [3, 16, 16] });
			} catch (error) {
				if (!(error instanceof PsglError)) throw error;
			}
			decodeModel(bytes);
		},
	};
}
