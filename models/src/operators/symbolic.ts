import type { Dim, Shape } from "../graph/graph.js";

/** A product of extents, some only known at run time: `{ factor: 3, names: ["B"] }` is three times the batch. */
interface Product {
	factor: number;
	readonly names: string[];
}

function product(shape: Shape): Product {
	const result: Product = { factor: 1, names: [] };
	for (const dim of shape) {
		for (const part of String(dim).split("*")) {
			const value = Number(part);
			if (Number.isNaN(value)) result.names.push(part);
			else result.factor *= value;
		}
	}
	return result;
}

/** Product of extents; a name such as `12*B` where one is only known at run time. */
export function multiplyDims(shape: Shape): Dim {
	const { factor, names } = product(shape);
	if (names.length === 0 || factor === 0) return factor;
	return [...(factor === 1 ? [] : [factor]), ...names.sort()].join("*");
}

/** Product of `shape` over product of `divisor`; undefined where that is no product of extents itself. */
export function divideDims(shape: Shape, divisor: Shape): Dim | undefined {
	const above = product(shape);
	const below = product(divisor);
	const factor = above.factor / below.factor;
	for (const name of below.names) {
		const index = above.names.indexOf(name);
		if (index < 0) return undefined;
		above.names.splice(index, 1);
	}
	return Number.isInteger(factor) ? multiplyDims([factor, ...above.names]) : undefined;
}
