import type { ParameterLayout } from "@psgl/models";
import { elementCount, type Tensor, tensor } from "@psgl/sdk";

/** Numbers in [-1, 1) that look drawn but are the same in bench/reference/second_order.py. */
export function referenceValues(dims: readonly number[], salt: number): Tensor<"float32"> {
	const data = Float32Array.from({ length: elementCount(dims) }, (_, i) => {
		const noise = Math.sin((i + 1) * 12.9898 + salt) * 43758.5453;
		return 2 * (noise - Math.floor(noise)) - 1;
	});
	return tensor("float32", dims, data);
}

/** Flat vectors of several layouts whose values are drawn in one row and scaled by the shape of each tensor. */
export function startingParameters(layouts: readonly ParameterLayout[]): readonly Tensor<"float32">[] {
	const all = referenceValues([layouts.reduce((sum, { length }) => sum + length, 0)], 1).data;
	let at = 0;
	return layouts.map(({ entries, length }) => {
		const data = all.slice(at, at + length);
		at += length;
		for (const { name, shape, offset } of entries) {
			const count = elementCount(shape);
			const scale = shape.length > 1 ? Math.sqrt(3 / elementCount(shape.slice(1))) : 0.1;
			const centre = name.endsWith("scale") ? 1 : 0;
			for (let i = offset; i < offset + count; i++) data[i] = centre + (data[i] as number) * scale;
		}
		return tensor("float32", [length], data);
	});
}
