import { ShapeError, tensor } from "@psgl/sdk";
import type { GraphBuilder } from "../graph/builder.js";
import { formatShape, staticShape, type Value } from "../graph/graph.js";
import { castTo } from "../operators/constants.js";
import { type RandomNumbersOptions, randomNumbers } from "./random-numbers.js";

export interface DropoutOptions extends RandomNumbersOptions {
	/** Share of the elements set to zero, from 0 up to but not including 1. */
	readonly ratio: number;
}

export interface Dropped {
	/** x where kept, times `1 / (1 - ratio)`, else 0. Same shape as x. */
	readonly y: Value;
	/** Which elements are kept: bool, same shape as x. */
	readonly kept: Value;
}

/**
 * Dropout (Srivastava et al., 2014) of x [B,...] whose mask is a function of the seed, the name and the position of the
 * element.
 *
 * @throws ShapeError `PSGL_SHAPE_MISMATCH` when an extent but the first is not known
 */
export function dropout(g: GraphBuilder, x: Value, { ratio, seed, name }: DropoutOptions): Dropped {
	const extents = staticShape(x.shape.slice(1));
	if (extents === undefined || x.shape.length === 0) {
		throw new ShapeError("PSGL_SHAPE_MISMATCH", {
			what: `dropout ${name} cannot take this shape`,
			got: formatShape(x.shape),
			expected: "[B,...] with known extents but the first",
		});
	}
	const columns = extents.reduce((a, b) => a * b, 1);
	const drawn = randomNumbers(g, x, columns, { seed, name });
	const least = g.constant(tensor("int64", [], BigInt64Array.of(BigInt(Math.round(ratio * 2 ** 32)))));
	const kept = g.add("Reshape", [g.add("GreaterOrEqual", [drawn, least]), g.ints([-1, ...extents])]);
	const factors = g.add("Mul", [castTo(g, kept, x.dtype), g.scalar(1 / (1 - ratio))]);
	return { y: g.add("Mul", [x, factors]), kept };
}

/** The mask of a dropout that drops nothing, bool, same shape as x: no number is greater than itself. */
export function allKept(g: GraphBuilder, x: Value): Value {
	return g.add("Not", [g.add("Greater", [x, x])]);
}
