import type { Value } from "../graph/graph.js";
import { type Operator, requiredInput } from "./operator.js";
import { spatialExtents } from "./window.js";

/** Mean over all spatial axes: [B,C,...] to [B,C,1,...] (ONNX GlobalAveragePool). */
export const globalAveragePool: Operator = {
	type: "GlobalAveragePool",
	infer(node) {
		const x = requiredInput(node, 0);
		const extents = spatialExtents(node, x.shape);
		return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...extents.map(() => 1)] }];
	},
	backward(g, node, [gradient]) {
		const extents = requiredInput(node, 0).shape.slice(2) as readonly number[];
		const pixels = extents.reduce((a, b) => a * b, 1);
		return [g.add("Mul", [gradient as Value, g.floats(new Array<number>(pixels).fill(1 / pixels), extents)])];
	},
};
