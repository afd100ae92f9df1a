import { codeNumbers } from "../blocks/code-numbers.js";
import { quantiseCode } from "../blocks/quantise-code.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { dense } from "../layers/dense.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import { flatten } from "../layers/pooling.js";
import type { ModelDefinition } from "./model-definition.js";

/** What the client segment makes of its input. */
export interface Cut {
	/** [B,Cs,...], or the levels of a code [B,k]. */
	readonly smashed: Value;
	/** Only of a code. */
	readonly code?: {
		/** [B,k] before rounding. */
		readonly numbers: Value;
		/** uint8 [B,k] */
		readonly indices: Value;
	};
	/** What `differentiate` has to take as constants. */
	readonly constants: readonly Value[];
}

/**
 * The client segment up to the cut. Where the cut is a code, the network's own stream goes on the device and ends in the
 * numbers of the code instead of class scores: a few bits can only hold what matters if it is worked out before.
 */
export function clientSegment(g: GraphBuilder, definition: ModelDefinition, scope: ParameterScope, input: Value): Cut {
	const { network, code } = definition;
	const features = network.client(g, scope, input);
	if (code === null) return { smashed: features, constants: [] };
	const own = scope.within("code");
	// The stream of an imported network gives the class scores of its file, and no other number of values.
	const outputs =
		network.imported === undefined
			? network.stream(g, own, features, code.numbers)
			: dense(g, own, flatten(g, features), code.numbers);
	const numbers = codeNumbers(g, own.within("norm"), outputs);
	const { levels, indices, constants } = quantiseCode(g, numbers, code.bits);
	return { smashed: levels, code: { numbers, indices }, constants };
}
