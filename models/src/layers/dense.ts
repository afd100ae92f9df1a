import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { ParameterScope } from "./parameter-scope.js";

/** Fully connected layer [B,inputs] -> [B,outputs], started as PyTorch does: uniform within 1/sqrt(inputs). */
export function dense(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number): Value {
	const inputs = x.shape[1] as number;
	const initialiser = { kind: "uniform", bound: 1 / Math.sqrt(inputs) } as const;
	const weight = scope.parameter("weight", [outputs, inputs], initialiser);
	const bias = scope.parameter("bias", [outputs], initialiser);
	return g.add("Gemm", [x, weight, bias], { transB: int(1) });
}
