import { ArtifactError } from "@psgl/sdk";
import { abs } from "./abs.js";
import { add } from "./add.js";
import { and } from "./and.js";
import { argMax } from "./arg-max.js";
import { averagePool } from "./average-pool.js";
import { batchNormalization } from "./batch-normalization.js";
import { bitwiseAnd } from "./bitwise-and.js";
import { bitwiseXor } from "./bitwise-xor.js";
import { cast } from "./cast.js";
import { ceil } from "./ceil.js";
import { celu } from "./celu.js";
import { clip } from "./clip.js";
import { concat } from "./concat.js";
import { conv } from "./conv.js";
import { convTranspose } from "./conv-transpose.js";
import { cos } from "./cos.js";
import { cumSum } from "./cum-sum.js";
import { depthToSpace } from "./depth-to-space.js";
import { div } from "./div.js";
import { elu } from "./elu.js";
import { equal } from "./equal.js";
import { erf } from "./erf.js";
import { exp } from "./exp.js";
import { expand } from "./expand.js";
import { flatten } from "./flatten.js";
import { floor } from "./floor.js";
import { gather } from "./gather.js";
import { gatherElements } from "./gather-elements.js";
import { gatherND } from "./gather-nd.js";
import { gemm } from "./gemm.js";
import { globalAveragePool } from "./global-average-pool.js";
import { greater } from "./greater.js";
import { greaterOrEqual } from "./greater-or-equal.js";
import { hardSigmoid } from "./hard-sigmoid.js";
import { hardSwish } from "./hard-swish.js";
import { identity } from "./identity.js";
import { instanceNormalization } from "./instance-normalization.js";
import { isNaNOperator } from "./is-nan.js";
import { layerNormalization } from "./layer-normalization.js";
import { leakyRelu } from "./leaky-relu.js";
import { less } from "./less.js";
import { lessOrEqual } from "./less-or-equal.js";
import { log } from "./log.js";
import { logSoftmax } from "./log-softmax.js";
import { matMul } from "./mat-mul.js";
import { max } from "./max.js";
import { maxPool } from "./max-pool.js";
import { min } from "./min.js";
import { mul } from "./mul.js";
import { neg } from "./neg.js";
import { not } from "./not.js";
import { oneHot } from "./one-hot.js";
import type { Operator } from "./operator.js";
import { or } from "./or.js";
import { pRelu } from "./p-relu.js";
import { pad } from "./pad.js";
import { pow } from "./pow.js";
import { range } from "./range.js";
import { reciprocal } from "./reciprocal.js";
import { reduceL1 } from "./reduce-l1.js";
import { reduceL2 } from "./reduce-l2.js";
import { reduceLogSum } from "./reduce-log-sum.js";
import { reduceLogSumExp } from "./reduce-log-sum-exp.js";
import { reduceMax } from "./reduce-max.js";
import { reduceMean } from "./reduce-mean.js";
import { reduceMin } from "./reduce-min.js";
import { reduceProd } from "./reduce-prod.js";
import { reduceSum } from "./reduce-sum.js";
import { reduceSumSquare } from "./reduce-sum-square.js";
import { relu } from "./relu.js";
import { reshape } from "./reshape.js";
import { resize } from "./resize.js";
import { round } from "./round.js";
import { scan } from "./scan.js";
import { scatterElements } from "./scatter-elements.js";
import { scatterND } from "./scatter-nd.js";
import { selu } from "./selu.js";
import { shape } from "./shape.js";
import { sigmoid } from "./sigmoid.js";
import { sign } from "./sign.js";
import { sin } from "./sin.js";
import { size } from "./size.js";
import { slice } from "./slice.js";
import { softmax } from "./softmax.js";
import { softplus } from "./softplus.js";
import { softsign } from "./softsign.js";
import { spaceToDepth } from "./space-to-depth.js";
import { split } from "./split.js";
import { sqrt } from "./sqrt.js";
import { squeeze } from "./squeeze.js";
import { sub } from "./sub.js";
import { tanh } from "./tanh.js";
import { thresholdedRelu } from "./thresholded-relu.js";
import { tile } from "./tile.js";
import { topK } from "./top-k.js";
import { transpose } from "./transpose.js";
import { trilu } from "./trilu.js";
import { unsqueeze } from "./unsqueeze.js";
import { where } from "./where.js";

/** Every operator psgl can build, check and differentiate. */
export const operators: readonly Operator[] = [
	identity,
	add,
	sub,
	mul,
	div,
	neg,
	relu,
	leakyRelu,
	sigmoid,
	tanh,
	clip,
	exp,
	log,
	sqrt,
	abs,
	sign,
	floor,
	round,
	pow,
	max,
	min,
	matMul,
	gemm,
	equal,
	greater,
	less,
	greaterOrEqual,
	lessOrEqual,
	and,
	or,
	not,
	where,
	cast,
	reshape,
	flatten,
	transpose,
	concat,
	split,
	slice,
	pad,
	squeeze,
	unsqueeze,
	expand,
	shape,
	reduceSum,
	reduceMean,
	reduceProd,
	reciprocal,
	reduceMax,
	softmax,
	logSoftmax,
	spaceToDepth,
	depthToSpace,
	oneHot,
	argMax,
	gather,
	gatherElements,
	scatterElements,
	trilu,
	averagePool,
	batchNormalization,
	conv,
	convTranspose,
	globalAveragePool,
	maxPool,
	size,
	erf,
	resize,
	elu,
	reduceMin,
	celu,
	hardSigmoid,
	hardSwish,
	pRelu,
	reduceL1,
	reduceL2,
	reduceLogSum,
	reduceLogSumExp,
	reduceSumSquare,
	selu,
	softplus,
	softsign,
	thresholdedRelu,
	tile,
	instanceNormalization,
	layerNormalization,
	bitwiseAnd,
	bitwiseXor,
	cumSum,
	scan,
	sin,
	cos,
	ceil,
	topK,
	gatherND,
	scatterND,
	isNaNOperator,
	range,
];

const byType = new Map(operators.map((o) => [o.type, o]));

export const hasOperator = (type: string): boolean => byType.has(type);

/** @throws ArtifactError `PSGL_OPERATOR_UNKNOWN` for an operator psgl does not have. */
export function operatorFor(type: string, nodeName: string): Operator {
	const operator = byType.get(type);
	if (operator === undefined) {
		throw new ArtifactError("PSGL_OPERATOR_UNKNOWN", {
			what: `node ${nodeName} uses an operator psgl does not have`,
			got: type,
			expected: `one of ${[...byType.keys()].sort().join(", ")}`,
		});
	}
	return operator;
}
