import { ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import type { ReadNode } from "./normalise-opset.js";

/**
 * Resize with what it needs: no region of interest, no empty scales, and sizes for the axes that change only, so that a
 * batch of unknown size stays open. A size of 0 stands for that of the input.
 */
export function readResize(g: GraphBuilder, node: ReadNode): ReadNode | readonly Value[] {
	const [x, , scales, sizes] = node.inputs;
	const hasScales = scales !== undefined && scales.shape[0] !== 0;
	const wanted = hasScales ? undefined : sizes && g.constantOf(sizes);
	if (x === undefined || wanted === undefined || node.attributes.axes !== undefined) {
		return { ...node, inputs: [x, undefined, hasScales ? scales : undefined, hasScales ? undefined : sizes] };
	}
	const all = Array.from(wanted.data, Number);
	const axes = [...all.keys()].filter((i) => all[i] !== 0 && all[i] !== x.shape[i]);
	if (axes.length === 0) return [x];
	const changed = g.ints(axes.map((axis) => all[axis] as number));
	return { ...node, inputs: [x, undefined, undefined, changed], attributes: { ...node.attributes, axes: ints(axes) } };
}
