import { readdirSync, readFileSync } from "node:fs";
import { decodeModel, readForeignModel } from "@psgl/models";
import { PsglError } from "@psgl/sdk";
import type { FuzzTarget } from "../fuzz-target.js";
import { mutateProtobuf } from "../mutate-protobuf.js";

const folder = new URL("../../../../test/fixtures/onnx/", import.meta.url);

/** Longest file to start from, bytes: longer ones have more weights, not more structure. */
const longest = 12_000;

/** Files of other programs, read as psgl's own graphs and as classifiers to train. */
export async function onnxTarget(): Promise<FuzzTarget> {
	const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
	const seeds = files.map((name) => readFileSync(new URL(name, folder))).filter(({ length }) => length < longest);
	return {
		seeds,
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
