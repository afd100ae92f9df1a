import { likeReduced } from "./axes.js";
import type { Operator } from "./operator.js";
import { reduceExtremumBackward } from "./reduce-extremum.js";

/** ReduceMin with its axes as constant input 1. */
export const reduceMin: Operator = {
	type: "ReduceMin",
	limits: "constant axes",
	infer: likeReduced,
	backward: reduceExtremumBackward,
};
