import { encodeModel, GraphBuilder } from "@psgl/models";
import { tensor } from "@psgl/sdk";
import test from "ava";
import { runGraph } from "../../helpers/run-graph.js";

function example(g: GraphBuilder): void {
	const x = g.input("x", "float32", ["B", 3]);
	g.output("y", g.add("Identity", [x]));
}

test("a written graph runs, whatever the batch", async (t) => {
	for (const batch of [1, 4]) {
		const data = Float32Array.from({ length: batch * 3 }, (_, i) => i - 1.5);
		const { y } = await runGraph(example, { x: tensor("float32", [batch, 3], data) });
		t.deepEqual(y?.dims, [batch, 3]);
		t.deepEqual(y?.data, data);
	}
});

test("the same graph gives the same bytes", (t) => {
	const bytes = () => {
		const g = new GraphBuilder("same");
		example(g);
		return encodeModel(g.build());
	};
	t.deepEqual(bytes(), bytes());
});
