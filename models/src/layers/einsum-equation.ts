import { ShapeError } from "@psgl/sdk";
import { formatShape, type Value } from "../graph/graph.js";

/** The labels of an equation: one for each axis of each operand and of the result. */
export interface EinsumEquation {
	readonly inputs: readonly (readonly string[])[];
	readonly output: readonly string[];
}

/**
 * Reads an equation such as `bhid,bhjd->bhij`. An ellipsis stands for the axes that have no label, counted from the
 * last; without `->` the result has the labels that occur once, in alphabetical order.
 *
 * @throws ShapeError `PSGL_EINSUM`
 */
export function parseEquation(equation: string, operands: readonly Value[], node: string): EinsumEquation {
	const refuse = (expected: string) =>
		new ShapeError("PSGL_EINSUM", {
			what: `node ${node} (Einsum) has an equation psgl cannot use: ${equation}`,
			got: operands.map((o) => formatShape(o.shape)).join(" and "),
			expected,
			remedy: "Write it with a label of one letter for each axis, each once in an operand",
		});
	const [left = "", right, ...more] = equation.replaceAll(" ", "").split("->");
	const terms = left.split(",");
	if (more.length > 0 || terms.length !== operands.length) throw refuse(`${operands.length} operands`);
	let ellipsis: readonly string[] = [];
	const inputs = terms.map((term, k) => {
		const rank = (operands[k] as Value).shape.length;
		const [before = "", after, ...rest] = term.split("...");
		const open = rank - before.length - (after ?? "").length;
		if (rest.length > 0 || open < 0 || (after === undefined && open !== 0))
			throw refuse(`as many labels as axes in ${term}`);
		// Digits, counted from the last axis, so that they can be no letters of the equation.
		const hidden = Array.from({ length: open }, (_, i) => String(open - 1 - i));
		if (hidden.length > ellipsis.length) ellipsis = hidden;
		return [...before, ...hidden, ...(after ?? "")];
	});
	const all = inputs.flat();
	const once = [...new Set(all)].filter((l) => /[A-Za-z]/.test(l) && all.indexOf(l) === all.lastIndexOf(l)).sort();
	const output =
		right === undefined
			? [...ellipsis, ...once]
			: right.split("...").flatMap((p, i) => [...(i > 0 ? ellipsis : []), ...p]);
	const isLabel = (l: string) => /^[A-Za-z]$/.test(l) || ellipsis.includes(l);
	if (!all.every(isLabel) || !output.every((l) => all.includes(l)))
		throw refuse("letters, each of the result in an operand");
	for (const labels of [...inputs, output]) {
		if (new Set(labels).size !== labels.length) throw refuse("no label twice in one operand (no diagonals)");
	}
	return { inputs, output };
}
