import { int, numberAttribute } from "../graph/attribute.js";
import type { Value } from "../graph/graph.js";
import { numberLike } from "./constants.js";
import { normalise, normalisedGradient } from "./normalised-gradient.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";
import { spatialExtents } from "./window.js";

/** Each channel of each sample of x [B,C,...] normalised on its own, times scale [C], plus bias [C]. */
export const instanceNormalization: Operator = {
	type: "InstanceNormalization",
	infer(node) {
		const x = requiredInput(node, 0);
		spatialExtents(node, x.shape);
		const channels = x.shape[1];
		for (const i of [1, 2]) {
			const { shape } = requiredInput(node, i);
			if (typeof channels !== "number" || shape.length !== 1 || shape[0] !== channels) {
				throw shapeMismatch(node, "x [B,C,...], scale [C] and bias [C]");
			}
		}
		return [{ dtype: x.dtype, shape: x.shape }];
	},
	backward(g, node, [gradient], needed) {
		if (gradient === undefined) return [];
		const [x, scale] = [requiredInput(node, 0), requiredInput(node, 1)];
		const spatial = x.shape.slice(2).map((_, i) => i + 2);
		const epsilon = numberLike(g, x, numberAttribute(node.attributes, "epsilon", 1e-5));
		const normalised = normalise(g, x, spatial, epsilon);
		const perChannel = (value: Value) => g.add("ReduceSum", [value, g.ints([0, ...spatial])], { keepdims: int(0) });
		const slopes = () => g.add("Unsqueeze", [scale, g.ints(spatial.map((axis) => axis - 1))]);
		return [
			needed[0] ? normalisedGradient(g, g.add("Mul", [gradient, slopes()]), normalised) : undefined,
			needed[1] ? perChannel(g.add("Mul", [gradient, normalised.value])) : undefined,
			needed[2] ? perChannel(gradient) : undefined,
		];
	},
};
