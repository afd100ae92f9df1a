import { ArtifactError, ConfigError, ShapeError, type Tensor } from "@psgl/sdk";
import { batchDim } from "../compile/model-definition.js";
import { GraphBuilder } from "../graph/builder.js";
import { formatShape, type Node, type Shape, staticShape, type Value } from "../graph/graph.js";
import { allKept } from "../layers/dropout.js";
import type { FileDropout } from "../onnx/dropout-rule.js";
import type { ExternalData } from "../onnx/external-data.js";
import { importModel } from "../onnx/import-model.js";
import { checkElementTypes } from "./check-element-types.js";
import { classifierLogits, openBatch } from "./classifier-logits.js";
import { fusedNormalisation } from "./fused-normalisation.js";
import { trainedTensors } from "./trained-tensors.js";

/** A classifier of an ONNX file, its tensors by the names they have there. */
export interface ForeignModel {
	readonly nodes: readonly Node[];
	/** [B,...inputShape] */
	readonly input: Value;
	/** [C,H,W] or [C,L] */
	readonly inputShape: readonly number[];
	/** Scores before the soft-max [B,K]. */
	readonly logits: Value;
	readonly classes: number;
	/** Every tensor by its name in the file; several names may stand for one. */
	readonly tensors: ReadonlyMap<string, Value>;
	/** Values of all that is known before the graph runs, by the value's name. */
	readonly constants: ReadonlyMap<string, Tensor>;
	/** What training drops, by the name of the value that stands for it, which outside training drops nothing. */
	readonly dropouts: ReadonlyMap<string, ForeignDropout>;
	/** Names of the constants that training changes. */
	readonly parameters: ReadonlySet<string>;
	/** What was done to the file that a reader may want to know. */
	readonly notes: readonly string[];
}

/** One output of a dropout of the file. */
export interface ForeignDropout extends FileDropout {
	/** What elements are dropped of. */
	readonly x: Value;
	readonly output: "y" | "kept";
}

export interface ForeignModelOptions {
	/** Shape of one input, [C,H,W] or [C,L]; needed where the file leaves sizes open. */
	readonly inputShape?: readonly number[] | undefined;
	/** Reads weights that lie in files beside the model, see `externalDataFolder`. */
	readonly external?: ExternalData | undefined;
}

/**
 * Reads a classifier. The batch axis is left open whatever extent the file gives it.
 *
 * @throws as `importModel`; ArtifactError `PSGL_ONNX_INPUT`, `PSGL_ONNX_OUTPUT`, `PSGL_ONNX_NOT_A_NUMBER`;
 * ConfigError `PSGL_ONNX_INPUT_SHAPE`; ShapeError where shapes do not fit
 */
export function readForeignModel(bytes: Uint8Array, { inputShape, external }: ForeignModelOptions = {}): ForeignModel {
	const g = new GraphBuilder("foreign");
	const inputs: Value[] = [];
	const initialisers = new Set<string>();
	const tensors = new Map<string, Value>();
	const notes: string[] = [];
	const initializer = (name: string, value: Tensor) => {
		initialisers.add(name);
		return g.constant(value, name);
	};
	const dropouts = new Map<string, ForeignDropout>();
	let fixedBatch = false;
	const outputs = withAdvice(
		() =>
			importModel(g, bytes, {
				input(name, dtype, shape) {
					fixedBatch ||= typeof shape[0] === "number";
					const value = g.input(name, dtype, [batchDim, ...sampleShape(name, shape, inputShape)]);
					inputs.push(value);
					return value;
				},
				initializer,
				outsideTraining: true,
				dropout(x, dropout) {
					const [y, kept] = [g.add("Identity", [x]), allKept(g, x)];
					dropouts.set(y.name, { ...dropout, x, output: "y" });
					dropouts.set(kept.name, { ...dropout, x, output: "kept" });
					return { y, kept };
				},
				...(external === undefined ? {} : { external }),
				note: (text) => notes.push(text),
				// PyTorch writes equal weights once and gives them their other names with Identity; training tells them apart.
				alias: (name, value) => {
					const tensor = initialisers.has(value.name) ? g.constantOf(value) : undefined;
					return tensor === undefined ? value : initializer(name, tensor);
				},
				named: (name, value) => {
					tensors.set(name, value);
				},
			}),
		() => fixedBatch,
	);
	const input = onlyInput(inputs);
	const classifier = classifierLogits(g, outputs);
	const { logits } = classifier;
	const constants = new Map<string, Tensor>();
	for (const value of g.nodes.flatMap((node) => node.inputs)) {
		const tensor = value && g.constantOf(value);
		if (value !== undefined && tensor !== undefined) constants.set(value.name, tensor);
	}
	checkElementTypes(g.nodes, input, constants, initialisers);
	const parameters = trainedTensors(g.nodes, constants, initialisers);
	return {
		nodes: g.nodes,
		input,
		inputShape: staticShape(input.shape.slice(1)) as readonly number[],
		logits,
		classes: logits.shape[1] as number,
		tensors,
		constants,
		dropouts,
		parameters,
		notes: [...notes, ...classifier.notes, ...fusedNormalisation(parameters)],
	};
}

/** The extents of one sample: the file's, or those given where the file leaves them open. */
function sampleShape(name: string, declared: Shape, given: readonly number[] | undefined): readonly number[] {
	const own = declared.slice(1);
	if (own.length !== 2 && own.length !== 3) {
		throw new ArtifactError("PSGL_ONNX_INPUT", {
			what: `input ${name} is no batch of pictures or signals`,
			got: formatShape(declared),
			expected: "[B,C,H,W] or [B,C,L]",
			remedy: "Export the model with an input of that form",
		});
	}
	if (given === undefined) {
		const fixed = staticShape(own);
		if (fixed !== undefined) return fixed;
		throw new ConfigError("PSGL_ONNX_INPUT_SHAPE", {
			what: `the file leaves sizes of input ${name} open`,
			got: formatShape(declared),
			remedy: "Say the shape of one input, for instance --input 1x28x28",
		});
	}
	const fits = own.length === given.length && own.every((d, i) => typeof d === "string" || d === given[i]);
	if (!fits) {
		throw new ConfigError("PSGL_ONNX_INPUT_SHAPE", {
			what: `input ${name} of the model has another shape`,
			got: formatShape(given),
			expected: `${formatShape(own)}, as the file has it`,
			remedy: "Give the file's shape, or export the model for yours",
		});
	}
	return given;
}

function onlyInput(inputs: readonly Value[]): Value {
	const [input] = inputs;
	if (input === undefined || inputs.length > 1 || input.dtype !== "float32") {
		throw new ArtifactError("PSGL_ONNX_INPUT", {
			what: "the model does not have one input of float32",
			got: inputs.map(({ name, dtype, shape }) => `${name}: ${dtype} ${formatShape(shape)}`).join(", ") || "no input",
			remedy:
				inputs.length === 1
					? "Export it in float32: call model.float() before torch.onnx.export, with a float32 example"
					: "Export the model with the picture or signal as its only input",
		});
	}
	return input;
}

/**
 * Says of an operator psgl lacks what would make it usable; and of shapes that do not fit where to look: a file with a
 * fixed batch may count on that.
 */
function withAdvice<T>(read: () => T, fixedBatch: () => boolean): T {
	try {
		return read();
	} catch (cause) {
		if (cause instanceof ShapeError && cause.remedy === undefined) {
			const { code, what, got, expected } = cause;
			const check = "Check the file: onnx.checker.check_model(path, full_check=True) infers the same shapes";
			const remedy = fixedBatch() ? `The file fixes the batch. ${openBatch}` : check;
			throw new ShapeError(code, { what, got, expected, remedy, cause });
		}
		const unknown = cause instanceof ArtifactError && cause.code === "PSGL_OPERATOR_UNKNOWN";
		if (!unknown || cause.remedy !== undefined) throw cause;
		throw new ArtifactError(cause.code, {
			what: cause.what,
			got: cause.got,
			expected: cause.expected,
			remedy:
				"Replace it in the model by operators psgl has, or write shapes into the file (onnx.shape_inference.infer_shapes): then it may stand in front of a cut where nothing is trained",
			cause,
		});
	}
}
