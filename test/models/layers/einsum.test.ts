import type { Shape } from "@psgl/models";
import { GraphBuilder, importModel } from "@psgl/models";
import { type PsglError, ShapeError, seededRandom, type Tensor } from "@psgl/sdk";
import test from "ava";
import { importedOperator } from "../../helpers/imported-operator.js";
import { onnxFile } from "../../helpers/onnx-file.js";
import { normalTensor } from "../../helpers/operator-gradients.js";
import { runGraph } from "../../helpers/run-graph.js";

/** Sum of products by going through every index of every label. */
function reference(equation: string, operands: readonly Tensor[]): readonly number[] {
	const [left = "", right = ""] = equation.split("->");
	const terms = left.split(",");
	const extents = new Map<string, number>();
	terms.forEach((term, k) => {
		for (const [axis, label] of [...term].entries()) extents.set(label, operands[k]?.dims[axis] as number);
	});
	const labels = [...extents.keys()];
	const size = (of: Iterable<string>) => [...of].reduce((product, l) => product * (extents.get(l) as number), 1);
	const out = new Array<number>(size(right)).fill(0);
	for (let n = 0; n < size(labels); n++) {
		let rest = n;
		const at = new Map<string, number>();
		for (const label of labels) {
			const extent = extents.get(label) as number;
			at.set(label, rest % extent);
			rest = Math.floor(rest / extent);
		}
		const offset = (term: string) =>
			[...term].reduce((sum, l) => sum * (extents.get(l) as number) + (at.get(l) as number), 0);
		const product = terms.reduce((p, term, k) => p * Number(operands[k]?.data[offset(term)]), 1);
		const place = offset(right);
		out[place] = (out[place] as number) + product;
	}
	return out;
}

/** The equation as it is given, its form without ellipsis, and the shapes. */
const cases: readonly (readonly [string, string, ...(readonly number[])[]])[] = [
	["ij,jk->ik", "ij,jk->ik", [2, 3], [3, 4]],
	["ij,jk", "ij,jk->ik", [2, 3], [3, 4]],
	["bhid,bhjd->bhij", "bhid,bhjd->bhij", [2, 3, 4, 5], [2, 3, 2, 5]],
	["bhij,bhjd->bihd", "bhij,bhjd->bihd", [2, 3, 4, 5], [2, 3, 5, 2]],
	["...hd,hdo->...o", "xyhd,hdo->xyo", [2, 3, 2, 4], [2, 4, 5]],
	["i,j->ij", "i,j->ij", [3], [4]],
	["i,i->", "i,i->", [5], [5]],
	["ijk->ki", "ijk->ki", [2, 3, 4]],
	["bi,ij,bj->b", "bi,ij,bj->b", [2, 3], [3, 4], [2, 4]],
	["bc,bchw->bhw", "bc,bchw->bhw", [2, 3], [2, 3, 4, 2]],
	["ab,cd->", "ab,cd->", [2, 3], [3, 2]],
];

for (const [equation, spelled, ...shapes] of cases) {
	test(`${equation} as the sum over all indices, the first axis of open size`, async (t) => {
		const random = seededRandom(3).fork(equation);
		const operands = shapes.map((dims) => normalTensor(random, dims));
		const names = operands.map((_, i) => `x${i}`);
		const feeds = Object.fromEntries(names.map((name, i) => [name, operands[i] as Tensor]));
		const build = importedOperator("Einsum", 12, names, { attributes: { equation: { s: equation } } });
		const expected = reference(spelled, operands);
		for (const open of [false, true]) {
			const batch = spelled[0];
			const terms = spelled.split("->")[0]?.split(",") ?? [];
			const shapeOf = (i: number): Shape =>
				(shapes[i] ?? []).map((d, axis) => (open && terms[i]?.[axis] === batch ? "N" : d));
			const { y } = await runGraph((g) => {
				const inputs = Object.fromEntries(names.map((name, i) => [name, g.input(name, "float32", shapeOf(i))]));
				g.output("y", build(g, inputs));
			}, feeds);
			t.is(y?.data.length, expected.length);
			const off = Math.max(...expected.map((value, i) => Math.abs(value - Number(y?.data[i]))));
			t.true(off < 1e-5, `off by ${off}`);
		}
	});
}

const refused = ["ii->i", "ij,jk->ik", "ij->ik", "ij->ijj", "ijk->i", "i1->i", "ij->->i"];

for (const equation of refused) {
	test(`${equation} of one matrix is refused, the node named`, (t) => {
		const node = { type: "Einsum", inputs: ["x"], outputs: ["y"], attributes: { equation: { s: equation } } };
		const g = new GraphBuilder("refused");
		const error = t.throws(
			() =>
				importModel(g, onnxFile({ opset: 12, inputs: { x: [3, 3] }, outputs: ["y"], nodes: [node] }), {
					input: (name, dtype, shape) => g.input(name, dtype, shape),
					initializer: (name, value) => g.constant(value, name),
				}),
			{ instanceOf: ShapeError },
		);
		t.is((error as PsglError | undefined)?.code, "PSGL_EINSUM");
		t.regex(error?.message ?? "", /Einsum_y/);
	});
}
