import { ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** The smaller of S S^T and S^T S for matrices S [B,m,n]; `rows` says which. */
export interface GramMatrix {
	/** [B,size,size] with size = min(m, n). */
	readonly gram: Value;
	readonly size: number;
	/** Whether it is S S^T. */
	readonly rows: boolean;
}

/** Gram matrix of each of `matrices` [B,m,n]. Its eigenvalues are the squared singular values. */
export function gramMatrix(g: GraphBuilder, matrices: Value): GramMatrix {
	const [, height, width] = matrices.shape as readonly [unknown, number, number];
	const rows = height <= width;
	const transposed = g.add("Transpose", [matrices], { perm: ints([0, 2, 1]) });
	const gram = g.add("MatMul", rows ? [matrices, transposed] : [transposed, matrices]);
	return { gram, size: Math.min(height, width), rows };
}
