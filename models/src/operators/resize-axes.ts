import { ArtifactError } from "@psgl/sdk";
import { type Attributes, intsAttribute, stringAttribute } from "../graph/attribute.js";
import type { Shape } from "../graph/graph.js";
import { resolveAxis } from "./axes.js";
import { constantInts, type InferenceContext, requiredInput, shapeMismatch } from "./operator.js";

/** What a Resize does along one axis. */
export interface ResizedAxis {
	readonly axis: number;
	readonly from: number;
	readonly to: number;
	/** float32 */
	readonly scale: number;
}

/**
 * The axes a Resize node changes.
 * @throws ArtifactError `PSGL_RESIZE` for ways of resizing psgl does not have
 * @throws ShapeError when scales or sizes do not fit the input
 */
export function resizedAxes(node: InferenceContext): readonly ResizedAxis[] {
	refuseOtherWays(node);
	const { shape } = requiredInput(node, 0);
	const given = intsAttribute(node.attributes, "axes");
	const axes = given?.map((axis) => resolveAxis(node, axis, shape.length)) ?? [...shape.keys()];
	const scales = node.constant(2);
	const byScale = scales !== undefined && scales.data.length > 0;
	const values = byScale ? Array.from(scales.data, Number) : constantInts(node, 3);
	if (values.length !== axes.length) throw shapeMismatch(node, `a number for each of the axes ${axes.join(",")}`);
	const resized = axes.flatMap((axis, i) => resizedAxis(node, shape, axis, values[i] as number, byScale));
	// ONNX Runtime copies where no extent changes, whatever the scales.
	return resized.every(({ from, to }) => from === to) ? [] : resized;
}

function resizedAxis(
	node: InferenceContext,
	shape: Shape,
	axis: number,
	value: number,
	byScale: boolean,
): readonly ResizedAxis[] {
	const from = shape[axis];
	if (byScale ? value === 1 : value === from) return [];
	if (typeof from !== "number" || axis < 2)
		throw shapeMismatch(node, "[B,C,...] with known extents, batch and channels kept");
	const scale = byScale ? value : Math.fround(value / from);
	const to = byScale ? Math.floor(Math.fround(from * value)) : value;
	if (to < 1) throw shapeMismatch(node, `at least one pixel along axis ${axis}, not ${to}`);
	return [{ axis, from, to, scale }];
}

const supported: Readonly<Record<string, readonly (string | number)[]>> = {
	mode: ["nearest", "linear"],
	coordinate_transformation_mode: ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"],
	nearest_mode: ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
	keep_aspect_ratio_policy: ["stretch"],
	antialias: [0],
	exclude_outside: [0],
};

function refuseOtherWays(node: InferenceContext): void {
	for (const [name, values] of Object.entries(supported)) {
		const attribute = node.attributes[name];
		if (attribute === undefined || values.includes(attribute.value as string | number)) continue;
		throw new ArtifactError("PSGL_RESIZE", {
			what: `node ${node.name} (Resize) resizes in a way psgl does not have`,
			got: `${name} ${String(attribute.value)}`,
			expected: `${name} ${values.join(" or ")}`,
			remedy: "Resize by mode nearest or linear without antialiasing, or use ConvTranspose",
		});
	}
}

/** Where each pixel of the result lies in the input, in float32 as ONNX Runtime computes it (ONNX Resize). */
function coordinates({ from, to, scale }: ResizedAxis, mode: string): readonly number[] {
	const f = Math.fround;
	const halfPixel = (i: number) => f(f((i + 0.5) / scale) - 0.5);
	const rule: Readonly<Record<string, (i: number) => number>> = {
		half_pixel: halfPixel,
		pytorch_half_pixel: (i) => (to > 1 ? halfPixel(i) : 0),
		align_corners: (i) => (to === 1 ? 0 : f(f(i * (from - 1)) / (to - 1))),
		asymmetric: (i) => f(i / scale),
	};
	return Array.from({ length: to }, (_, i) => rule[mode]?.(i) as number);
}

/** How near to the middle between two pixels a coordinate may lie for ONNX Runtime to take it for the middle. */
const middle = 1e-6;

function nearest(x: number, mode: string): number {
	switch (mode) {
		case "floor":
			return Math.floor(x);
		case "ceil":
			return Math.ceil(x);
		case "round_prefer_ceil":
			return Math.floor(x + 0.5 + middle);
		default:
			return Math.ceil(x - 0.5 - middle);
	}
}

/** For each pixel of the result along one axis, the pixels of the input it is made of and their weights. */
export function resizeWeights(
	axis: ResizedAxis,
	attributes: Attributes,
): readonly (readonly { readonly from: number; readonly weight: number }[])[] {
	const last = axis.from - 1;
	const at = coordinates(axis, stringAttribute(attributes, "coordinate_transformation_mode", "half_pixel"));
	const clamp = (x: number) => Math.min(Math.max(x, 0), last);
	if (stringAttribute(attributes, "mode", "nearest") === "nearest") {
		const rounding = stringAttribute(attributes, "nearest_mode", "round_prefer_floor");
		return at.map((x) => [{ from: clamp(nearest(x, rounding)), weight: 1 }]);
	}
	return at.map((x) => {
		const inside = clamp(x);
		const low = Math.min(Math.floor(inside), last);
		const share = Math.fround(inside - low);
		if (low === last || share === 0) return [{ from: low, weight: 1 }];
		return [
			{ from: low, weight: 1 - share },
			{ from: low + 1, weight: share },
		];
	});
}
