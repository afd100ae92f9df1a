import { staticShape, type Value } from "../graph/graph.js";
import type { SplitNetwork } from "../zoo/split-network.js";
import { avoidingCut } from "./avoiding-cut.js";
import { type ForeignModel, type ForeignModelOptions, readForeignModel } from "./foreign-model.js";
import { joinTensors } from "./join-tensors.js";
import { neverNegative } from "./never-negative.js";
import { checkNormalisation, type Normalisation, normaliseInput } from "./normalise-input.js";
import { replay } from "./replay.js";
import { splitModel } from "./split-model.js";

export interface ImportNetworkOptions extends ForeignModelOptions {
	/** Name of the network, up to 64 characters. */
	readonly name: string;
	/** Tensors to cut at, by their names in the file. */
	readonly cut: readonly string[];
	/** How the model wants its inputs, which come in [0,1]; left out: as they come. */
	readonly normalise?: Normalisation | undefined;
}

/** A network of an ONNX file, cut in two; its weights start as the file has them. */
export interface ImportedNetwork extends SplitNetwork {
	readonly imported: NonNullable<SplitNetwork["imported"]>;
	/** What was done to the file that a reader may want to know. */
	readonly notes: readonly string[];
}

/**
 * Cuts the classifier of an ONNX file in two. All streams of the server segment start from the file's weights; running
 * statistics of batch normalisations move in training. Inputs are not packed by reversible downsampling: the first
 * layer of the file takes them as they are.
 *
 * @throws as `readForeignModel` and `splitModel`; ConfigError `PSGL_NORMALISATION`
 */
export function importNetwork(file: Uint8Array | ForeignModel, options: ImportNetworkOptions): ImportedNetwork {
	const model = file instanceof Uint8Array ? readForeignModel(file, options) : file;
	const { name, cut, normalise } = options;
	const split = splitModel(model, cut);
	if (normalise !== undefined) checkNormalisation(normalise, model.inputShape[0] as number);
	const joined = joinTensors(split.cut.map((value) => staticShape(value.shape.slice(1)) as readonly number[]));
	return {
		name,
		summary: `an ONNX file, cut at ${cut.join(",")}`,
		spatialAxes: model.inputShape.length === 2 ? 1 : 2,
		rectified: split.cut.every((value) => neverNegative(model, value)),
		imported: {
			inputShape: model.inputShape,
			classes: model.classes,
			normalise: normalise ?? null,
			avoid: (node) => avoidingCut(model, node),
		},
		notes: model.notes,
		client(g, scope, x) {
			const input = normalise === undefined ? x : normaliseInput(g, x, normalise);
			const values = replay(g, scope, model, split.client, new Map([[model.input.name, input]]));
			return joined.join(
				g,
				split.cut.map((value) => values.get(value.name) as Value),
			);
		},
		stream(g, scope, smashed) {
			const parts = joined.part(g, smashed);
			const given = new Map(split.cut.map((value, i) => [value.name, parts[i] as Value]));
			return replay(g, scope, model, split.server, given).get(model.logits.name) as Value;
		},
	};
}
