import { likeReduced } from "./axes.js";
import type { Operator } from "./operator.js";
import { reduceExtremumBackward } from "./reduce-extremum.js";

/** ReduceMax with its axes as constant input 1. */
export const reduceMax: Operator = {
	type: "ReduceMax",
	limits: "constant axes",
	infer: likeReduced,
	backward: reduceExtremumBackward,
};
