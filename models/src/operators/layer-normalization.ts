import { ArtifactError } from "@psgl/sdk";
import { numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Shape, Value } from "../graph/graph.js";
import { axisAttribute } from "./axes.js";
import { broadcastShapes, sumToShape } from "./broadcast.js";
import { castTo, numberLike } from "./constants.js";
import { type Normalised, normalise, normalisedGradient } from "./normalised-gradient.js";
import { type InferenceContext, type Operator, requiredInput, shapeMismatch } from "./operator.js";

/**
 * x normalised over all axes from `axis` on, times scale, plus bias, which broadcast to these axes. Two more outputs
 * carry the means and the inverse standard deviations, with extent 1 along the normalised axes.
 */
export const layerNormalization: Operator = {
	type: "LayerNormalization",
	since: 17,
	limits: "stash_type 1",
	infer(node) {
		const x = requiredInput(node, 0);
		const axis = axisAttribute(node, -1);
		if (numberAttribute(node.attributes, "stash_type", 1) !== 1) throw stashType(node);
		const extents = x.shape.slice(axis);
		for (const vector of [requiredInput(node, 1), node.inputs[2]]) {
			if (vector !== undefined && !broadcasts(node, vector.shape, extents)) {
				throw shapeMismatch(node, `scale and bias that broadcast to [${extents.join(",")}]`);
			}
		}
		const statistics = { dtype: x.dtype, shape: x.shape.map((d, i) => (i < axis ? d : 1)) };
		return [{ dtype: x.dtype, shape: x.shape }, statistics, statistics];
	},
	backward(g, node, [gradient, gradientMean, gradientInverse], needed) {
		const [x, scale, bias] = [requiredInput(node, 0), requiredInput(node, 1), node.inputs[2]];
		const normalised = normalisedInput(g, node);
		const parts: Value[] = [];
		if (gradient !== undefined && needed[0]) {
			parts.push(normalisedGradient(g, g.add("Mul", [gradient, scale]), normalised));
		}
		if (gradientMean !== undefined) {
			parts.push(g.add("Expand", [g.add("Div", [gradientMean, count(g, x, gradientMean)]), g.add("Shape", [x])]));
		}
		if (gradientInverse !== undefined) {
			// d inverse / dx = -inverse^2 n / count
			const squared = g.add("Mul", [normalised.inverse, normalised.inverse]);
			const share = g.add("Div", [g.add("Mul", [gradientInverse, squared]), count(g, x, gradientInverse)]);
			parts.push(g.add("Neg", [g.add("Mul", [normalised.value, share])]));
		}
		const toScale = gradient && needed[1] && sumToShape(g, g.add("Mul", [gradient, normalised.value]), scale);
		return [
			parts.length === 0 ? undefined : parts.reduce((a, b) => g.add("Add", [a, b])),
			toScale || undefined,
			gradient && bias && needed[2] ? sumToShape(g, gradient, bias) : undefined,
		];
	},
};

function broadcasts(node: InferenceContext, shape: Shape, to: Shape): boolean {
	const result = broadcastShapes(node, [to, shape]);
	return result.length === to.length && result.every((d, i) => d === to[i]);
}

/** x as the node normalised it: from its second and third outputs where it has them, else computed again. */
function normalisedInput(g: GraphBuilder, node: Node): Normalised {
	const x = requiredInput(node, 0);
	const first = axisAttribute(g.context(node), -1);
	const axes = x.shape.flatMap((_, i) => (i < first ? [] : [i]));
	const [, mean, inverse] = node.outputs;
	if (mean === undefined || inverse === undefined) {
		return normalise(g, x, axes, numberLike(g, x, numberAttribute(node.attributes, "epsilon", 1e-5)));
	}
	return { value: g.add("Mul", [g.add("Sub", [x, mean]), inverse]), inverse, axes };
}

/** How many elements each of `statistics` is over. */
function count(g: GraphBuilder, x: Value, statistics: Value): Value {
	const size = (value: Value) => castTo(g, g.add("Size", [value]), x.dtype);
	return g.add("Div", [size(x), size(statistics)]);
}

function stashType(node: InferenceContext): ArtifactError {
	return new ArtifactError("PSGL_OPERATOR_ATTRIBUTE", {
		what: `node ${node.name} (LayerNormalization) computes its statistics in another type than float32`,
		got: `stash_type ${numberAttribute(node.attributes, "stash_type", 1)}`,
		expected: "stash_type 1",
	});
}
