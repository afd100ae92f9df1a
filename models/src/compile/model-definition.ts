import { ConfigError, ShapeError } from "@psgl/sdk";
import type {
	CodeSettings,
	DisclosureSettings,
	GradientClipping,
	LossSettings,
	Manifest,
	MapSettings,
	OptimiserSettings,
	RecoverySettings,
	TailSettings,
} from "@psgl/sdk/artifact";
import type { Augmentation } from "../blocks/augmentation.js";
import { codeHead } from "../blocks/code-numbers.js";
import { GraphBuilder } from "../graph/builder.js";
import { formatShape, type Shape, type Value } from "../graph/graph.js";
import { dense } from "../layers/dense.js";
import { declareSegment, type ParameterScope, type SegmentLayout } from "../layers/parameter-scope.js";
import { flatten, globalAverage } from "../layers/pooling.js";
import type { SplitNetwork } from "../zoo/split-network.js";
import { clientSegment } from "./client-segment.js";
import { featuresInput, tailLogits } from "./device-tail.js";

/** Everything that fixes the graphs of an artifact. */
export interface ModelDefinition {
	readonly network: SplitNetwork;
	/** [C,H,W] or [C,L] */
	readonly inputShape: readonly number[];
	readonly classes: readonly string[];
	readonly packing: Manifest["packing"];
	readonly streams: Manifest["streams"];
	readonly cutGradient: Manifest["cutGradient"];
	readonly map: MapSettings | null;
	readonly robustBudget: number;
	readonly recovery: RecoverySettings;
	readonly optimiser: OptimiserSettings;
	readonly headLearningRateFactor: number;
	readonly loss: LossSettings;
	/** Separately for client segment, local head and server segment; null for none. */
	readonly gradientClipping: GradientClipping | null;
	/** Batches whose mean gradient makes one optimiser step. */
	readonly accumulationSteps: number;
	/** Parameters that keep their values, as PART.NAME with `*` for any text: `client.*`, `server.A.conv.*`. */
	readonly frozen: readonly string[];
	/** Null: the cut is real numbers. */
	readonly code: CodeSettings | null;
	/** Null: devices send their labels. */
	readonly tail: TailSettings | null;
	readonly disclosure: DisclosureSettings;
	/** What `client/local` does to samples, at random; null: nothing. */
	readonly augmentation: Augmentation | null;
}

/** Shapes and parameter layouts that follow from a definition. */
export interface ModelLayout {
	/** [Cs,Hs,Ws] or [Cs,Ls]; [k] of a code */
	readonly smashedShape: readonly number[];
	/** Client segment, and where there is one the tail. */
	readonly client: SegmentLayout;
	readonly head: SegmentLayout;
	/** Streams and fusion together. */
	readonly server: SegmentLayout;
}

/** The extent that is only known when a graph runs: samples in the batch. */
export const batchDim = "B";

/** Channels and sizes of what the client segment takes: the input itself, or packed by reversible downsampling. */
export function clientInputShape(definition: ModelDefinition): readonly number[] {
	const [channels, ...sizes] = definition.inputShape as [number, ...number[]];
	if (definition.packing === "none") return definition.inputShape;
	return [channels * 2 ** sizes.length + 1, ...sizes.map((s) => Math.ceil(s / 2))];
}

/**
 * The local head: global average and one dense layer on the smashed data. Where these are a row without channels, one
 * dense layer on all of it: its average says nothing. On a code the head that the server segment has too.
 */
export function localHead(g: GraphBuilder, scope: ParameterScope, smashed: Value, classes: number): Value {
	if (smashed.shape.length === 2) return codeHead(g, scope, smashed, classes);
	const isRow = smashed.shape[1] === 1 && smashed.shape.length === 3;
	return dense(g, scope, isRow ? flatten(g, smashed) : globalAverage(g, smashed), classes);
}

/**
 * Builds the network once to find its shapes and parameters.
 * @throws ConfigError `PSGL_MODEL_INPUT` when the network cannot take inputs of that shape.
 */
export function layOut(definition: ModelDefinition, buildServer: ServerBuilder): ModelLayout {
	const { network, inputShape } = definition;
	if (network.imported !== undefined) requireImported(network.imported, definition);
	if (definition.tail !== null) requireCuttable(definition);
	if (inputShape.length !== network.spatialAxes + 1) {
		throw new ConfigError("PSGL_MODEL_INPUT", {
			what: `${network.name} cannot take this input`,
			got: formatShape(inputShape),
			expected: network.spatialAxes === 2 ? "pictures [C,H,W]" : "signals [C,L]",
			remedy: "Choose another zoo model with --zoo",
		});
	}
	try {
		return declareModel(definition, buildServer);
	} catch (cause) {
		if (!(cause instanceof ShapeError)) throw cause;
		throw tooSmall(network, cause.message, cause);
	}
}

/** The streams of an imported network end in the file's class scores, and a code leaves its labels with the local head. */
function requireCuttable({ network, code }: ModelDefinition): void {
	if (network.imported === undefined && code === null) return;
	throw new ConfigError("PSGL_MODEL_TAIL", {
		what: "this model cannot be cut a second time, so its labels cannot stay on the devices",
		got: code === null ? `${network.name}, imported from a file` : "a model whose cut is a code",
		expected: "a zoo model in privacy mode robust, paper or none",
		remedy: "Leave --labels device away, or choose such a model",
	});
}

/** A file fixes shape and classes, and its first layer the channels. */
function requireImported(
	imported: NonNullable<SplitNetwork["imported"]>,
	{ network, inputShape, classes, packing }: ModelDefinition,
): void {
	if (classes.length !== imported.classes) {
		throw new ConfigError("PSGL_MODEL_CLASSES", {
			what: `the classes do not agree with the output of ${network.name}`,
			got: `${classes.length} classes`,
			expected: `${imported.classes}`,
			remedy: "Name as many classes as the model has scores, or export it with another last layer",
		});
	}
	if (inputShape.join() === imported.inputShape.join() && packing === "none") return;
	throw new ConfigError("PSGL_MODEL_INPUT", {
		what: `${network.name} cannot take this input`,
		got: `${formatShape(inputShape)}, packing ${packing}`,
		expected: `${formatShape(imported.inputShape)}, packing none`,
		remedy: "Give the shape the file was exported for",
	});
}

function declareModel(definition: ModelDefinition, buildServer: ServerBuilder): ModelLayout {
	const { network, classes } = definition;
	const g = new GraphBuilder("layout");
	let smashed: Value | undefined;
	const client = declareSegment(g, (scope) => {
		const x = g.input("x", "float32", [batchDim, ...clientInputShape(definition)]);
		smashed = clientSegment(g, definition, scope, x).smashed;
		if (definition.tail !== null) tailLogits(g, definition, scope, featuresInput(g, definition, definition.tail));
	});
	const cut = requireSmashed(network, smashed);
	const head = declareSegment(g, (scope) => localHead(g, scope, cut, classes.length));
	const server = declareSegment(g, (scope) => buildServer(g, scope, cut));
	return { smashedShape: cut.shape.slice(1) as number[], client, head, server };
}

/** Adds the whole server segment for the sake of its parameters. */
export type ServerBuilder = (g: GraphBuilder, scope: ParameterScope, smashed: Value) => void;

function requireSmashed(network: SplitNetwork, smashed: Value | undefined): Value {
	const shape: Shape = smashed?.shape ?? [];
	if (smashed === undefined || shape.slice(1).some((d) => typeof d !== "number" || d < 1)) {
		throw tooSmall(network, formatShape(shape));
	}
	return smashed;
}

function tooSmall(network: SplitNetwork, got: string, cause?: ShapeError): ConfigError {
	return new ConfigError("PSGL_MODEL_INPUT", {
		what: `the layers of ${network.name} leave nothing of this input`,
		got,
		remedy: "Use larger inputs or another zoo model",
		cause,
	});
}
