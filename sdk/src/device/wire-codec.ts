import { ShapeError } from "../errors.js";
import {
	graphValues,
	type LabelTensor,
	mayOverflow,
	requireFinite,
	type WireDType,
	type WireTensor,
} from "../protocol/index.js";
import { scalar, type Tensor } from "../tensor.js";
import type { ClientSegment } from "./client-segment.js";

type Real = Tensor<"float32">;

/** Puts values [B,C,...] into the element type agreed for the wire, by the artifact's own graph. Always a copy. */
export async function encodeReal(segment: ClientSegment, values: Real, dtype: WireDType): Promise<WireTensor> {
	if (dtype === "float32") return { ...values, data: values.data.slice() };
	const spare = dtype === "float16" ? segment.spare.take(dtype, values.dims) : undefined;
	const { quantised, scale } = await segment.run(`wire/encode.${dtype}`, { values }, spare && { quantised: spare });
	return { ...(quantised as Tensor<"float16" | "int8">), dtype, scale: scale as Real };
}

/**
 * Reads values [B,C,...] that travelled, for the last time: `segment.spare` takes what came, and when nobody needs them any more the values.
 * @throws ShapeError `PSGL_DEVICE_GRADIENT_SHAPE` when they do not have the shape `expected`; NumericError
 * `PSGL_PROTOCOL_NOT_FINITE` when the scale makes them infinite.
 */
export async function decodeReal(
	segment: ClientSegment,
	wire: WireTensor,
	expected: readonly number[],
	name: string,
): Promise<Real> {
	if (wire.dims.join() !== expected.join()) {
		throw new ShapeError("PSGL_DEVICE_GRADIENT_SHAPE", {
			what: `the ${name} does not fit what the device sent`,
			got: `[${wire.dims.join(",")}]`,
			expected: `[${expected.join(",")}]`,
			remedy: "Check that aggregator and device use the same artifact",
		});
	}
	if (wire.dtype === "float32") return wire as Real;
	const feeds = { quantised: graphValues(wire), scale: wire.scale ?? scalar(1) };
	const spare = segment.spare.take("float32", wire.dims);
	const { values } = await segment.run(`wire/decode.${wire.dtype}`, feeds, spare && { values: spare });
	if (mayOverflow(wire)) requireFinite(values as Real, name);
	if (wire.dtype === "float16") segment.spare.give(feeds.quantised);
	return values as Real;
}

/** Labels as they travel: class indices [B] as uint8 up to 256 classes and int32 above, marks [B,K] as uint8. */
export function wireLabels(y: Tensor<"int64">, classes: number): LabelTensor {
	const labels = Array.from(y.data, Number);
	return classes <= 256 || y.dims.length === 2
		? { dtype: "uint8", dims: y.dims, data: Uint8Array.from(labels) }
		: { dtype: "int32", dims: y.dims, data: Int32Array.from(labels) };
}
