import { numberAttribute } from "../graph/attribute.js";
import type { Dim } from "../graph/graph.js";
import { type InferenceContext, requiredInput, shapeMismatch } from "./operator.js";

/** A picture [B,C,H,W] and the side of the blocks it is cut into or put together from. */
export interface BlockedPicture {
	readonly batch: Dim;
	readonly channels: number;
	readonly height: number;
	readonly width: number;
	readonly block: number;
}

/** What SpaceToDepth and DepthToSpace are given. @throws ShapeError when the input is not [B,C,H,W]. */
export function blockedPicture(node: InferenceContext): BlockedPicture {
	const [batch, ...rest] = requiredInput(node, 0).shape;
	const [channels, height, width] = rest.map(Number);
	if (batch === undefined || channels === undefined || height === undefined || width === undefined) {
		throw shapeMismatch(node, "[B,C,H,W]");
	}
	return { batch, channels, height, width, block: numberAttribute(node.attributes, "blocksize", 1) };
}
