import { elementCount } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";

/** Makes one tensor of smashed data of the tensors of a cut, and those tensors of it again. */
export interface JoinedTensors {
	/** [B,...] each -> [B,Cs,...] */
	join(g: GraphBuilder, tensors: readonly Value[]): Value;
	/** [B,Cs,...] -> [B,...] each */
	part(g: GraphBuilder, joined: Value): readonly Value[];
}

/**
 * How tensors of these shapes (without the batch) travel together: one of two or three axes as it is; several of equal
 * sizes behind their channels channel by channel; all others one after the other in a row [B,1,N].
 */
export function joinTensors(shapes: readonly (readonly number[])[]): JoinedTensors {
	const alongChannels = joinAlongChannels(shapes);
	const axis = int(alongChannels ? 1 : 2);
	const extents = shapes.map((shape) => (alongChannels ? (shape[0] as number) : elementCount(shape)));
	return {
		join(g, tensors) {
			const rows = alongChannels
				? tensors
				: tensors.map((t, i) => g.add("Reshape", [t, g.ints([0, 1, extents[i] as number])]));
			return rows.length === 1 ? (rows[0] as Value) : g.add("Concat", rows, { axis });
		},
		part(g, joined) {
			const parts =
				shapes.length === 1 ? [joined] : g.addMany("Split", [joined, g.ints(extents)], shapes.length, { axis });
			return alongChannels
				? parts
				: parts.map((p, i) => g.add("Reshape", [p, g.ints([0, ...(shapes[i] as readonly number[])])]));
		},
	};
}

/** Shape [Cs,...] of the joined tensor. */
export function joinedShape(shapes: readonly (readonly number[])[]): readonly number[] {
	const [first = []] = shapes;
	if (!joinAlongChannels(shapes)) return [1, shapes.reduce((sum, shape) => sum + elementCount(shape), 0)];
	return [shapes.reduce((sum, [channels = 0]) => sum + channels, 0), ...first.slice(1)];
}

function joinAlongChannels(shapes: readonly (readonly number[])[]): boolean {
	const [first = []] = shapes;
	const sameSizes = shapes.every((shape) => shape.slice(1).join() === first.slice(1).join());
	return sameSizes && (first.length === 2 || first.length === 3);
}
