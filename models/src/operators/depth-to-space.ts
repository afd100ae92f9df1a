import { int, ints, numberAttribute, stringAttribute } from "../graph/attribute.js";
import { blockedPicture } from "./blocks.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** [B,C*b*b,H,W] to [B,C,H*b,W*b]; input channel (dy*b+dx)*C+c (mode DCR) or c*b*b+dy*b+dx (mode CRD). */
export const depthToSpace: Operator = {
	type: "DepthToSpace",
	infer(node) {
		const { dtype } = requiredInput(node, 0);
		const { batch, channels, height, width, block } = blockedPicture(node);
		if (channels % (block * block) !== 0) throw shapeMismatch(node, `channels divisible by ${block * block}`);
		return [{ dtype, shape: [batch, channels / (block * block), height * block, width * block] }];
	},
	backward(g, node, [gradient]) {
		if (gradient === undefined) return [];
		const block = numberAttribute(node.attributes, "blocksize", 1);
		if (stringAttribute(node.attributes, "mode", "DCR") === "DCR") {
			return [g.add("SpaceToDepth", [gradient], { blocksize: int(block) })];
		}
		const [, channels, height, width] = requiredInput(node, 0).shape.map(Number) as [number, number, number, number];
		const blocks = [-1, channels / (block * block), height, block, width, block];
		const cut = g.add("Reshape", [gradient, g.ints(blocks)]);
		const moved = g.add("Transpose", [cut], { perm: ints([0, 1, 3, 5, 2, 4]) });
		return [g.add("Reshape", [moved, g.ints([-1, channels, height, width])])];
	},
};
