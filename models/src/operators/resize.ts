import { ArtifactError } from "@psgl/sdk";
import { ints, string, stringAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import { formatShape, staticShape, type Value } from "../graph/graph.js";
import { type InferenceContext, type Operator, requiredInput, shapeMismatch } from "./operator.js";

/**
 * Enlarges the spatial axes of [B,C,...] by whole factors, each pixel repeated (ONNX Resize, mode `nearest`; for whole
 * factors `asymmetric` coordinates with `floor` and the default `half_pixel` with `round_prefer_floor` are the same).
 */
export const resize: Operator = {
	type: "Resize",
	infer(node) {
		const x = requiredInput(node, 0);
		const extents = staticShape(x.shape.slice(2));
		if (extents === undefined || extents.length === 0)
			throw shapeMismatch(node, "[B,C,...] with known spatial extents");
		const factors = wholeFactors(node, x, extents);
		return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...extents.map((d, i) => d * (factors[i] as number))] }];
	},
	backward(g, node, [gradient]) {
		const from = requiredInput(node, 0).shape.slice(2) as readonly number[];
		const to = (node.outputs[0] as Value).shape.slice(2) as readonly number[];
		const factors = from.map((extent, i) => (to[i] as number) / extent);
		const window = ints(factors);
		const mean = g.add("AveragePool", [gradient as Value], { kernel_shape: window, strides: window });
		return [g.add("Mul", [mean, g.scalar(factors.reduce((a, b) => a * b, 1))])];
	},
};

/** Repeats each pixel of [B,C,...] `factors` times along the spatial axes. */
export function enlarge(g: GraphBuilder, value: Value, factors: readonly number[]): Value {
	return g.add("Resize", [value, undefined, g.floats([1, 1, ...factors])], {
		mode: string("nearest"),
		coordinate_transformation_mode: string("asymmetric"),
		nearest_mode: string("floor"),
	});
}

/** Factors of the spatial axes, from `scales` or `sizes`. @throws ArtifactError `PSGL_RESIZE` for any other resizing. */
function wholeFactors(node: InferenceContext, x: Value, extents: readonly number[]): readonly number[] {
	const scales = node.constant(2);
	const sizes = node.constant(3);
	const given = scales !== undefined && scales.data.length > 0 ? scales : sizes;
	const values = given === undefined ? [] : Array.from(given.data as ArrayLike<number | bigint>, Number);
	const factors = values.slice(2).map((value, i) => (given === scales ? value : value / (extents[i] as number)));
	const fits = values.length === x.shape.length && factors.every((factor) => Number.isInteger(factor) && factor > 0);
	const batchAndChannels = given === scales ? [1, 1] : x.shape.slice(0, 2);
	const kept = batchAndChannels.every((d, i) => typeof d === "string" || values[i] === d);
	const coordinates = stringAttribute(node.attributes, "coordinate_transformation_mode", "half_pixel");
	const rounding = stringAttribute(node.attributes, "nearest_mode", "round_prefer_floor");
	const repeats = ["asymmetric floor", "half_pixel round_prefer_floor"].includes(`${coordinates} ${rounding}`);
	const nearest = stringAttribute(node.attributes, "mode", "nearest") === "nearest";
	if (fits && kept && repeats && nearest && node.attributes.axes === undefined) return factors;
	throw new ArtifactError("PSGL_RESIZE", {
		what: `node ${node.name} (Resize) does something else than repeating pixels`,
		got: `factors [${values.join()}] on ${formatShape(x.shape)}, ${coordinates}, ${rounding}`,
		expected: "mode nearest with constant whole factors of the spatial axes",
		remedy: "Enlarge by whole factors without interpolation, or use ConvTranspose",
	});
}
