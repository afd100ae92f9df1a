import { attributes, encodeModel, GraphBuilder } from "@psgl/models";
import test from "ava";

const module = new URL("../../../../cloud/dist/cli/doctor/probe-graph.js", import.meta.url);
const { probeGraph } = (await import(module.href)) as { readonly probeGraph: Uint8Array };

test("the graph psgl doctor tries the engine with is the one it says", (t) => {
	const g = new GraphBuilder("doctor");
	const x = g.input("x", "float32", [8, 64]);
	const product = g.add("MatMul", [x, g.add("Transpose", [x])]);
	g.output("y", g.add("Softmax", [product], { axis: attributes.int(1) }));
	t.deepEqual(Uint8Array.from(probeGraph), Uint8Array.from(encodeModel(g.build())));
});
