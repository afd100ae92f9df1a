import { compileModel, type ForeignModel, listCuts, type ModelDefinition, zooNetwork } from "@psgl/models";
import { ConfigError, elementCount, seededRandom } from "@psgl/sdk";
import { type Artifact, decodeArtifact, type Manifest } from "@psgl/sdk/artifact";
import { removeLeftovers } from "../../files/remove-leftovers.js";
import { writeOutput } from "../../files/write-output.js";
import { describePrivacy } from "../describe-privacy.js";
import { type ForeignValues, foreignNetwork, openForeignModel, parseShape, printCuts } from "../foreign-options.js";
import { formatBytes, formatCount } from "../format.js";
import { definitionFrom, type settingOptions } from "../model-options.js";
import type { OptionValues } from "../options/option.js";
import { missingOption } from "../options/resolve-options.js";
import type { Output } from "../output.js";
import type { VerbContext } from "../verb.js";

interface CompileValues extends OptionValues<typeof settingOptions>, Omit<ForeignValues, "onnx"> {
	readonly zoo?: string | undefined;
	readonly onnx?: string | undefined;
	readonly listCuts: boolean;
	readonly classes?: string | undefined;
	readonly seed: number;
	readonly wire?: Manifest["wire"];
	readonly output?: string | undefined;
}

/** Compiles, writes the file and prints what is in it; or lists where a file can be cut. */
export async function runCompile(options: CompileValues, { output, signal }: VerbContext): Promise<number> {
	const { onnx, zoo } = options;
	if ((onnx === undefined) === (zoo === undefined)) throw oneModel(onnx, zoo);
	if (onnx === undefined && (options.listCuts || options.cut !== undefined || options.normalise !== undefined)) {
		throw zooIsCut();
	}
	const limited = [options.maxBytes, options.maxClientMflop, options.maxClientMemory].some(
		(limit) => limit !== undefined,
	);
	if (limited && options.cut !== "auto") throw limitsWithoutAuto(options.cut);
	if (onnx !== undefined && options.listCuts) {
		printCuts(listCuts(await openForeignModel({ ...options, onnx })), output);
		return 0;
	}
	const definition =
		onnx === undefined
			? zooDefinition(options, zoo as string)
			: foreignDefinition(options, await openForeignModel({ ...options, onnx }), onnx, output);
	if (options.output === undefined) throw missingOption("output");
	const name = options.name ?? definition.network.name;
	const bytes = await compileModel(definition, { name, random: seededRandom(options.seed), wire: options.wire });
	const artifact = await decodeArtifact(bytes);
	signal.throwIfAborted();
	await removeLeftovers(options.output);
	await writeOutput(options.output, bytes);
	summarise(output, options.output, bytes.byteLength, artifact);
	return 0;
}

function zooDefinition(options: CompileValues, zoo: string): ModelDefinition {
	if (options.input === undefined) throw missingOption("input");
	if (options.classes === undefined) throw missingOption("classes");
	return definitionFrom(options, zooNetwork(zoo), parseShape(options.input), classNames(options.classes));
}

function foreignDefinition(options: CompileValues, model: ForeignModel, onnx: string, output: Output): ModelDefinition {
	const network = foreignNetwork(model, { ...options, onnx }, output);
	const classes = classNames(options.classes ?? String(model.classes));
	return definitionFrom(options, network, model.inputShape, classes);
}

function oneModel(onnx: string | undefined, zoo: string | undefined): ConfigError {
	return new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "one model is compiled at a time",
		got: onnx === undefined && zoo === undefined ? "none" : "--zoo and --onnx",
		expected: "either --zoo NAME or --onnx FILE",
	});
}

function zooIsCut(): ConfigError {
	return new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "zoo models are cut already and normalise nothing",
		got: "--zoo together with --list-cuts, --cut or --normalise",
		remedy: "Leave these away, or give an ONNX file with --onnx",
	});
}

function limitsWithoutAuto(cut: string | undefined): ConfigError {
	return new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "--max-bytes, --max-client-mflop and --max-client-memory are limits for choosing a cut",
		got: cut === undefined ? "no --cut" : `--cut ${cut}`,
		expected: "--cut auto",
	});
}

/** `2` -> class 0, class 1; `a,b` -> a, b. */
function classNames(text: string): readonly string[] {
	if (!/^\d+$/.test(text)) return text.split(",").map((name) => name.trim());
	const count = Number(text);
	if (count < 2 || count > 4096) {
		throw new ConfigError("PSGL_OPTION", {
			what: "--classes cannot be used",
			got: text,
			expected: "2 to 4096 classes",
		});
	}
	return Array.from({ length: count }, (_, i) => `class ${i}`);
}

function codings({ disclosure: { refreshes } }: Manifest): string {
	return refreshes === undefined ? "once" : `${refreshes} times`;
}

function summarise(output: Output, file: string, fileBytes: number, artifact: Artifact): void {
	const { manifest, graphs } = artifact;
	const values = elementCount(manifest.smashedShape);
	const channels = manifest.smashedShape[0] as number;
	const parameters = {
		client: manifest.client.paramCount,
		head: manifest.head.paramCount,
		server: manifest.server?.paramCount ?? 0,
	};
	// float16 has one scale a batch and int8 one a channel and batch; neither counts per sample.
	const bytesUpPerSample = { float32: 4 * values, float16: 2 * values, int8: values };
	const graphBytes = Object.fromEntries([...graphs].map(([name, bytes]) => [name, bytes.byteLength]));
	output.table(
		[{ title: file }, { title: formatBytes(fileBytes), align: "right" }],
		[
			["input", `[${manifest.inputShape.join(",")}]`],
			["classes", manifest.classes.length <= 6 ? manifest.classes.join(", ") : String(manifest.classes.length)],
			["loss", manifest.loss.kind],
			["smashed data", `[${manifest.smashedShape.join(",")}]`],
			["privacy", describePrivacy(manifest)],
			["labels", manifest.tail === null ? "sent in training" : "stay on the device"],
			["streams", manifest.streams.join(", ")],
			["recovery", manifest.recovery.kind],
			["parameters on the device", formatCount(parameters.client)],
			["  and in its local head", formatCount(parameters.head)],
			["parameters on the aggregator", formatCount(parameters.server)],
			...(manifest.code === null
				? [
						["up per sample, float32", formatBytes(bytesUpPerSample.float32)],
						["               float16", formatBytes(bytesUpPerSample.float16)],
						[
							"               int8",
							`${formatBytes(bytesUpPerSample.int8)} + 4 B for each of ${channels} channels a batch`,
						],
					]
				: [
						[`up per sample, ${codings(manifest)}`, `${manifest.code.numbers * manifest.code.bits} bits`],
						...(manifest.disclosure.randomisedResponse === undefined
							? []
							: [["  randomised, epsilon of each", `${manifest.disclosure.randomisedResponse.epsilon}`]]),
						["  all, with its label", `${manifest.disclosure.budgetBits?.toFixed(1)} bits at most`],
					]),
			...Object.entries(graphBytes).map(([name, bytes]) => [`graph ${name}`, formatBytes(bytes)]),
		],
	);
	output.result({
		output: file,
		bytes: fileBytes,
		name: manifest.name,
		network: manifest.network,
		inputShape: manifest.inputShape,
		classes: manifest.classes,
		loss: manifest.loss,
		smashedShape: manifest.smashedShape,
		privacy: manifest.privacy,
		wire: manifest.wire,
		code: manifest.code,
		disclosure: manifest.disclosure,
		labels: manifest.tail === null ? "shared" : "device",
		streams: manifest.streams,
		parameters,
		bytesUpPerSample,
		graphs: graphBytes,
	});
}
