import { ArtifactError } from "@psgl/sdk";
import { abs } from "./abs.js";
import { add } from "./add.js";
import { and } from "./and.js";
import { cast } from "./cast.js";
import { clip } from "./clip.js";
import { div } from "./div.js";
import { equal } from "./equal.js";
import { exp } from "./exp.js";
import { floor } from "./floor.js";
import { gemm } from "./gemm.js";
import { greater } from "./greater.js";
import { greaterOrEqual } from "./greater-or-equal.js";
import { identity } from "./identity.js";
import { leakyRelu } from "./leaky-relu.js";
import { less } from "./less.js";
import { lessOrEqual } from "./less-or-equal.js";
import { log } from "./log.js";
import { matMul } from "./mat-mul.js";
import { max } from "./max.js";
import { min } from "./min.js";
import { mul } from "./mul.js";
import { neg } from "./neg.js";
import { not } from "./not.js";
import type { Operator } from "./operator.js";
import { or } from "./or.js";
import { pow } from "./pow.js";
import { relu } from "./relu.js";
import { round } from "./round.js";
import { sigmoid } from "./sigmoid.js";
import { sign } from "./sign.js";
import { sqrt } from "./sqrt.js";
import { sub } from "./sub.js";
import { tanh } from "./tanh.js";
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
];

const byType = new Map(operators.map((o) => [o.type, o]));

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
