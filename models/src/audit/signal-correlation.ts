import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { meanOfEach } from "./structural-similarity.js";

/** Keeps a constant signal, whose correlation is undefined, at 0. */
const tiny = 1e-8;

/** Pearson's correlation of each sample of a with that of b, over all its values: [B,...] -> [B]. */
export function signalCorrelation(g: GraphBuilder, a: Value, b: Value): Value {
	const centred = (x: Value) => {
		const flat = g.add("Flatten", [x]);
		return g.add("Sub", [flat, g.add("ReduceMean", [flat, g.ints([1])])]);
	};
	const [x, y] = [centred(a), centred(b)];
	const product = (p: Value, q: Value) => meanOfEach(g, g.add("Mul", [p, q]));
	const scale = g.add("Sqrt", [g.add("Mul", [product(x, x), product(y, y)])]);
	return g.add("Div", [product(x, y), g.add("Add", [scale, g.scalar(tiny)])]);
}
