import { reduction } from "./axes.js";
import { type Operator, requiredInput } from "./operator.js";
import { reduceExtremumBackward } from "./reduce-extremum.js";

/** ReduceMax with its axes as constant input 1. */
export const reduceMax: Operator = {
	type: "ReduceMax",
	infer: (node) => [{ dtype: requiredInput(node, 0).dtype, shape: reduction(node).shape }],
	backward: reduceExtremumBackward,
};
