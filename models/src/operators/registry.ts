import { ArtifactError } from "@psgl/sdk";
import { identity } from "./identity.js";
import type { Operator } from "./operator.js";

/** Every operator psgl can build, check and differentiate. */
export const operators: readonly Operator[] = [identity];

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
