import { differentiate, packClientInput, reversibleDownsampling, reversibleUpsampling, type Value } from "@psgl/models";
import type { Tensor } from "@psgl/sdk";
import test from "ava";
import { goldenVectors } from "../../helpers/golden.js";
import { numbers } from "../../helpers/numbers.js";
import { runGraph } from "../../helpers/run-graph.js";
import { withShared } from "../../helpers/shared.js";

withShared("reversible downsampling has PyTorch's channel order", async (t) => {
	const vectors = await goldenVectors("space_to_depth");
	const out = await runGraph(
		(g) => {
			const down = reversibleDownsampling(g, g.input("x", "float32", ["B", 3, 8, 6]));
			g.output("down", down);
			g.output("back", reversibleUpsampling(g, down, [8, 6]));
		},
		{ x: vectors("in_x") },
	);
	t.deepEqual(out.down?.data, vectors("out_torch").data);
	t.deepEqual(out.back?.data, vectors("out_back").data);
});

function counting(dims: readonly number[]): Tensor<"float32"> {
	const count = dims.reduce((a, b) => a * b, 1);
	return { dtype: "float32", dims, data: Float32Array.from({ length: count }, (_, i) => i + 1) };
}

test("signals put their odd places into channels of their own", async (t) => {
	const { down } = await runGraph(
		(g) => {
			g.output("down", reversibleDownsampling(g, g.input("x", "float32", ["B", 2, 4])));
		},
		{ x: counting([1, 2, 4]) },
	);
	t.deepEqual(down?.dims, [1, 4, 2]);
	t.deepEqual(numbers(down), [1, 3, 2, 4, 5, 7, 6, 8]);
});

for (const extents of [[5], [8], [5, 7], [4, 7], [6, 6]]) {
	test(`upsampling undoes downsampling of [${extents.join()}]`, async (t) => {
		const x = counting([2, 3, ...extents]);
		const out = await runGraph(
			(g) => {
				const down = reversibleDownsampling(g, g.input("x", "float32", ["B", 3, ...extents]));
				g.output("down", down);
				g.output("back", reversibleUpsampling(g, down, extents));
			},
			{ x },
		);
		t.deepEqual(out.down?.dims, [2, 3 * 2 ** extents.length, ...extents.map((extent) => Math.ceil(extent / 2))]);
		t.deepEqual(out.back?.dims, x.dims);
		t.deepEqual(out.back?.data, x.data);
	});
}

test("the map becomes the last channel, averaged over channels and places", async (t) => {
	const x = counting([1, 2, 2, 4]);
	const map = counting([1, 2, 2, 4]);
	const feed = { x, map };
	const out = await runGraph((g) => {
		const picture = g.input("x", "float32", ["B", 2, 2, 4]);
		g.output("packed", packClientInput(g, picture, g.input("map", "float32", ["B", 2, 2, 4])));
		g.output("bare", packClientInput(g, picture, undefined));
	}, feed);
	t.deepEqual(out.packed?.dims, [1, 9, 1, 2]);
	// The means of {1,2,5,6,9,10,13,14} and {3,4,7,8,11,12,15,16}.
	t.deepEqual(numbers(out.packed).slice(16), [7.5, 9.5]);
	t.deepEqual(numbers(out.bare).slice(16), [0, 0]);
	t.deepEqual(out.bare?.data.slice(0, 16), out.packed?.data.slice(0, 16));
});

test("signals are packed into twice the channels and one", async (t) => {
	const feed = { x: counting([1, 1, 3]), map: counting([1, 1, 3]) };
	const { packed } = await runGraph((g) => {
		const signal = g.input("x", "float32", ["B", 1, 3]);
		g.output("packed", packClientInput(g, signal, g.input("map", "float32", ["B", 1, 3])));
	}, feed);
	t.deepEqual(packed?.dims, [1, 3, 2]);
	t.deepEqual(numbers(packed), [1, 3, 2, 0, 1.5, 1.5]);
});

test("the gradient of downsampling is upsampling", async (t) => {
	const gradient = counting([1, 4, 2, 2]);
	const out = await runGraph(
		(g) => {
			const x = g.input("x", "float32", ["B", 1, 3, 3]);
			const arriving = g.input("gradient", "float32", ["B", 4, 2, 2]);
			const [back] = differentiate(g, [{ value: reversibleDownsampling(g, x), gradient: arriving }], [x]);
			g.output("back", back as Value);
			g.output("up", reversibleUpsampling(g, arriving, [3, 3]));
		},
		{ x: counting([1, 1, 3, 3]), gradient },
	);
	t.deepEqual(out.back?.data, out.up?.data);
});
