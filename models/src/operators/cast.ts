import { ArtifactError, dtypeOf } from "@psgl/sdk";
import { numberAttribute } from "../graph/attribute.js";
import { castTo } from "./constants.js";
import { isDiscrete } from "./elementwise.js";
import { type Operator, requiredInput } from "./operator.js";

export const cast: Operator = {
	type: "Cast",
	limits: "no strings, complex numbers, bfloat16 or 8-bit floats",
	infer(node) {
		const { shape } = requiredInput(node, 0);
		const to = numberAttribute(node.attributes, "to", 0);
		const dtype = dtypeOf(to);
		if (dtype === undefined) {
			throw new ArtifactError("PSGL_OPERATOR_ATTRIBUTE", {
				what: `node ${node.name} (Cast) casts to an element type psgl does not have`,
				got: `data type ${to}`,
			});
		}
		return [{ dtype, shape }];
	},
	backward(g, node, [gradient]) {
		const x = requiredInput(node, 0);
		if (gradient === undefined || isDiscrete(x) || isDiscrete(gradient)) return [];
		return [castTo(g, gradient, x.dtype)];
	},
};
