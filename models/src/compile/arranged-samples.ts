import { reversibleDownsampling, reversibleUpsampling, withMapChannel } from "../blocks/reversible-downsampling.js";
import { perturb } from "../blocks/saliency-map.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { clientInput } from "./client-context.js";
import { batchDim, type ModelDefinition } from "./model-definition.js";

/**
 * How the training graphs hold samples and maps: [B,C,...] as they are, or where reversible downsampling only puts pixels in another
 * order and adds none, in its order, [B,4C,H/2,W/2] or [B,2C,L/2]. What is done pixel by pixel, and a sample's largest value or
 * mean, are the same there, and the segment takes them so: each is put in order once instead of three times.
 */
export interface ArrangedSamples {
	/** Of the batch as the graphs hold it. */
	readonly shape: readonly (string | number)[];
	arrange(g: GraphBuilder, samples: Value): Value;
	restore(g: GraphBuilder, arranged: Value): Value;
	/** What the client segment takes. */
	input(g: GraphBuilder, x: Value, map: Value | undefined): Value;
}

/** The arrangement for a definition. Without a map samples are put in order once anyway. */
export function arrangedSamples(definition: ModelDefinition): ArrangedSamples {
	const { inputShape, packing, map } = definition;
	const [channels, ...extents] = inputShape as readonly [number, ...number[]];
	if (packing === "none" || map === null || extents.some((extent) => extent % 2 !== 0)) {
		return {
			shape: [batchDim, ...inputShape],
			arrange: (_, samples) => samples,
			restore: (_, arranged) => arranged,
			input: (g, x, own) => clientInput(g, definition, x, own),
		};
	}
	return {
		shape: [batchDim, channels * 2 ** extents.length, ...extents.map((extent) => extent / 2)],
		arrange: reversibleDownsampling,
		restore: (g, arranged) => reversibleUpsampling(g, arranged, extents),
		input: (g, x, own) => withMapChannel(g, own === undefined ? x : perturb(g, x, own), own),
	};
}
