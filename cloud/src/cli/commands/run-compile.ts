import { compileModel } from "@psgl/models";
import { ConfigError, elementCount, seededRandom } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import { formatBytes, formatCount } from "../format.js";
import { definitionFrom, type settingOptions } from "../model-options.js";
import type { OptionValues } from "../options/option.js";
import type { Output } from "../output.js";
import type { VerbContext } from "../verb.js";
import { writeOutput } from "../write-output.js";

interface CompileValues extends OptionValues<typeof settingOptions> {
	readonly zoo: string;
	readonly input: string;
	readonly classes: string;
	readonly name?: string | undefined;
	readonly seed: number;
	readonly output: string;
}

/** Compiles, writes the file and prints what is in it. */
export async function runCompile(options: CompileValues, { output, signal }: VerbContext): Promise<number> {
	const inputShape = options.input.split("x").map(Number);
	const definition = definitionFrom(options, options.zoo, inputShape, classNames(options.classes));
	const bytes = await compileModel(definition, {
		name: options.name ?? options.zoo,
		random: seededRandom(options.seed),
	});
	signal.throwIfAborted();
	await writeOutput(options.output, bytes);
	summarise(output, options.output, bytes.byteLength, await decodeArtifact(bytes));
	return 0;
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
			["smashed data", `[${manifest.smashedShape.join(",")}]`],
			["streams", manifest.streams.join(", ")],
			["recovery", manifest.recovery.kind],
			["parameters on the device", formatCount(parameters.client)],
			["  and in its local head", formatCount(parameters.head)],
			["parameters on the aggregator", formatCount(parameters.server)],
			["up per sample, float32", formatBytes(bytesUpPerSample.float32)],
			["               float16", formatBytes(bytesUpPerSample.float16)],
			["               int8", `${formatBytes(bytesUpPerSample.int8)} + 4 B for each of ${channels} channels a batch`],
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
		smashedShape: manifest.smashedShape,
		streams: manifest.streams,
		parameters,
		bytesUpPerSample,
		graphs: graphBytes,
	});
}
