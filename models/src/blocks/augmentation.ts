import { ints } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { type RandomNumbersOptions, randomNumbers } from "../layers/random-numbers.js";
import { castTo } from "../operators/constants.js";

/** How far each training sample is changed at random, differently at every step. */
export interface Augmentation {
	/** Largest shift along each spatial axis, as a share of its extent. */
	readonly shift: number;
	/** Largest change of the size along each spatial axis, as a share of it. */
	readonly zoom: number;
	/** Largest change of the contrast around the middle of the range, as a share of it. */
	readonly contrast: number;
	/** Largest change of the brightness, as a share of the range. */
	readonly brightness: number;
	/** Whether half of the samples are mirrored along their last axis. */
	readonly mirror: boolean;
}

/**
 * Samples [B,C,...] in [0,1], each moved, stretched, mirrored and brightened at random, kept inside [0,1]. The draws are
 * a function of the seed. Places between pixels are interpolated linearly, those outside take the nearest edge: along
 * each axis one matrix product with a matrix of tent functions (the separable form of the bilinear sampling of Jaderberg
 * et al., "Spatial transformer networks", NeurIPS 2015, Eq. 5).
 */
export function augmented(g: GraphBuilder, x: Value, change: Augmentation, random: RandomNumbersOptions): Value {
	const extents = x.shape.slice(2) as number[];
	const axes = extents.length;
	const draws = symmetricDraws(g, x, 2 * axes + 3, random);
	const draw = (index: number) => draws[index] as Value;
	let moved = x;
	extents.forEach((extent, axis) => {
		const last = axis === axes - 1;
		const size = g.add("Add", [g.add("Mul", [draw(2 * axis), g.scalar(change.zoom)]), g.scalar(1)]);
		// A sign of 0 would be a draw of exactly 0, one in 2^32: the sample collapses to its middle column, once.
		const scale = last && change.mirror ? g.add("Mul", [size, g.add("Sign", [draw(2 * axes)])]) : size;
		const shift = g.add("Mul", [draw(2 * axis + 1), g.scalar(change.shift * extent)]);
		const matrix = tents(g, extent, scale, shift);
		moved = last
			? g.add("MatMul", [moved, turned(g, matrix, axes)])
			: g.add("MatMul", [g.add("Unsqueeze", [matrix, g.ints([1])]), moved]);
	});
	const each = (value: Value) => (axes === 2 ? g.add("Unsqueeze", [value, g.ints([3])]) : value);
	const contrast = g.add("Add", [g.add("Mul", [each(draw(2 * axes + 1)), g.scalar(change.contrast)]), g.scalar(1)]);
	const brightness = g.add("Add", [
		g.add("Mul", [each(draw(2 * axes + 2)), g.scalar(change.brightness)]),
		g.scalar(middle),
	]);
	const stretched = g.add("Mul", [g.add("Sub", [moved, g.scalar(middle)]), contrast]);
	return g.add("Clip", [g.add("Add", [stretched, brightness]), g.scalar(0), g.scalar(1)]);
}

const middle = 0.5;

/** `count` draws, each [B,1,1], uniform in [-1,1). */
function symmetricDraws(g: GraphBuilder, x: Value, count: number, random: RandomNumbersOptions): readonly Value[] {
	const bits = castTo(g, randomNumbers(g, x, count, random), "float32");
	const numbers = g.add("Sub", [g.add("Mul", [bits, g.scalar(2 ** -31)]), g.scalar(1)]);
	return Array.from({ length: count }, (_, i) =>
		g.add("Unsqueeze", [g.add("Slice", [numbers, g.ints([i]), g.ints([i + 1]), g.ints([1])]), g.ints([2])]),
	);
}

/** [B,N,N]: row i has the weights of the places that place i of the result is interpolated from. */
function tents(g: GraphBuilder, extent: number, scale: Value, shift: Value): Value {
	const centre = (extent - 1) / 2;
	const places = Array.from({ length: extent }, (_, i) => i);
	const offsets = g.floats(
		places.map((i) => i - centre),
		[1, extent, 1],
	);
	const wanted = g.add("Add", [g.add("Mul", [offsets, scale]), g.add("Add", [shift, g.scalar(centre)])]);
	const inside = g.add("Clip", [wanted, g.scalar(0), g.scalar(extent - 1)]);
	const distance = g.add("Abs", [g.add("Sub", [inside, g.floats(places, [1, 1, extent])])]);
	return g.add("Relu", [g.add("Sub", [g.scalar(1), distance])]);
}

/** The matrices with rows for columns, to multiply from the right: [B,N,N], or [B,1,N,N] for pictures. */
function turned(g: GraphBuilder, matrix: Value, axes: number): Value {
	const transposed = g.add("Transpose", [matrix], { perm: ints([0, 2, 1]) });
	return axes === 2 ? g.add("Unsqueeze", [transposed, g.ints([1])]) : transposed;
}
