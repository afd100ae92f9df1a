import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import {
	type CutCandidate,
	type CutLimits,
	chooseCut,
	externalDataFolder,
	type ForeignModel,
	type ImportedNetwork,
	importNetwork,
	listCuts,
	type Normalisation,
	readForeignModel,
} from "@psgl/models";
import { ArtifactError, elementCount } from "@psgl/sdk";
import { formatBytes, formatCount } from "./format.js";
import { missingOption } from "./options/resolve-options.js";
import type { Output } from "./output.js";

export interface ForeignValues extends CutLimits {
	readonly onnx: string;
	readonly cut?: string | undefined;
	readonly input?: string | undefined;
	readonly normalise?: string | undefined;
	readonly name?: string | undefined;
}

/** `1x28x28` -> [1,28,28]. */
export function parseShape(text: string): readonly number[] {
	return text.split("x").map(Number);
}

/** Reads the ONNX file the user named. @throws ArtifactError `PSGL_ONNX_UNREADABLE`, and as `readForeignModel`. */
export async function openForeignModel({ onnx, input }: ForeignValues): Promise<ForeignModel> {
	let bytes: Uint8Array;
	try {
		bytes = await readFile(onnx);
	} catch (cause) {
		throw new ArtifactError("PSGL_ONNX_UNREADABLE", {
			what: `the ONNX file ${onnx} cannot be read`,
			got: (cause as Error).message,
			remedy: "Check the path",
			cause,
		});
	}
	const inputShape = input === undefined ? undefined : parseShape(input);
	return readForeignModel(bytes, { inputShape, external: externalDataFolder(dirname(onnx)) });
}

/** The network that the options cut out of a file; says what was done to the file and why it was cut there. */
export function foreignNetwork(model: ForeignModel, options: ForeignValues, output: Output): ImportedNetwork {
	if (options.cut === undefined) throw missingOption("cut");
	let cut: readonly string[] = options.cut.split(",").map((name) => name.trim());
	if (options.cut === "auto") {
		const { candidate, why } = chooseCut(listCuts(model), elementCount(model.inputShape), options, "float16");
		cut = candidate.cut;
		output.event("cut", { ...candidate, why }, `Cut at ${cut.join(",")}: ${why}`);
	}
	const name =
		options.name ??
		basename(options.onnx)
			.replace(/\.onnx$/, "")
			.slice(0, 64);
	const network = importNetwork(model, { name, cut, normalise: normalisation(options.normalise) });
	const packing = "The file's first layer takes inputs unpacked: the map is added in their own shape";
	for (const note of [...network.notes, packing]) output.event("note", { note }, note);
	return network;
}

/** `0.5,0.25` or, for each channel, `0.49:0.46:0.41,0.25:0.24:0.26`. */
function normalisation(text: string | undefined): Normalisation | undefined {
	if (text === undefined) return undefined;
	const [mean = [], std = []] = text.split(",").map((list) => list.split(":").map(Number));
	const each = (values: readonly number[], count: number) =>
		values.length === 1 ? new Array<number>(count).fill(values[0] as number) : values;
	const count = Math.max(mean.length, std.length);
	return { mean: each(mean, count), std: each(std, count) };
}

/** Prints every place to cut at; with `--json` an event each. */
export function printCuts(cuts: readonly CutCandidate[], output: Output): void {
	for (const cut of cuts) output.event("cut", { ...cut });
	const right = (title: string) => ({ title, align: "right" as const });
	const boards = cuts[0]?.estimates.map(({ device }) => right(`${device}, ms`)) ?? [];
	output.table(
		[
			{ title: "cut at" },
			{ title: "smashed data" },
			right("float32"),
			right("float16"),
			right("int8"),
			right("parameters"),
			right("MFLOP"),
			right("backward"),
			right("memory"),
			...boards,
		],
		cuts.map((c) => [
			c.cut.join(","),
			`[${c.smashedShape.join(",")}]`,
			formatBytes(c.bytesUp.float32),
			formatBytes(c.bytesUp.float16),
			formatBytes(c.bytesUp.int8),
			formatCount(c.clientParameters),
			c.forwardMflop.toFixed(2),
			c.backwardMflop.toFixed(2),
			formatBytes(c.activationBytes),
			...c.estimates.map(({ inferMs, trainMs }) => `${inferMs.toFixed(2)} / ${trainMs.toFixed(2)}`),
		]),
	);
	output.print("For one sample. Milliseconds are estimates: inference / training step (docs/models.md).");
	output.result({ cuts: cuts.length });
}
