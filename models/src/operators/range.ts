import { constantInts, type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** The integers from 0 up to an extent that is measured when the graph runs: positions along a batch. */
export const range: Operator = {
	type: "Range",
	limits: "constant, or from 0 in steps of 1 up to an extent of a tensor",
	infer(node) {
		const { dtype } = requiredInput(node, 0);
		const [limit] = node.shape(1) ?? constantInts(node, 1);
		const [start, step] = [0, 2].map((i) => constantInts(node, i)[0]);
		if (start !== 0 || step !== 1 || limit === undefined) throw shapeMismatch(node, "a start of 0 and a step of 1");
		return [{ dtype, shape: [limit] }];
	},
	backward: () => [],
};
