import type { Runtime, Tensor } from "@psgl/sdk";
import { ints } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import { encodeModel } from "../onnx/write.js";

type Real = Tensor<"float32">;

/** Squared Euclidean distances of the samples of a [N,...] from those of b [M,...], as [N,M] row by row. */
export async function squaredDistances(runtime: Runtime, a: Real, b: Real, threads = 1): Promise<Float32Array> {
	const size = a.data.length / (a.dims[0] as number);
	const g = new GraphBuilder("audit/distances");
	const x = g.input("a", "float32", ["N", size]);
	const y = g.input("b", "float32", ["M", size]);
	const squares = (v: typeof x) => g.add("ReduceSum", [g.add("Mul", [v, v]), g.ints([1])]);
	const product = g.add("MatMul", [x, g.add("Transpose", [y], { perm: ints([1, 0]) })]);
	const both = g.add("Add", [squares(x), g.add("Transpose", [squares(y)], { perm: ints([1, 0]) })]);
	const distances = g.add("Sub", [both, g.add("Mul", [product, g.scalar(2)])]);
	g.output("distances", g.add("Max", [distances, g.scalar(0)]));
	await using session = await runtime.load(encodeModel(g.build()), { threads });
	const flat = (t: Real): Real => ({ ...t, dims: [t.dims[0] as number, size] });
	return ((await session.run({ a: flat(a), b: flat(b) })).distances as Real).data;
}
