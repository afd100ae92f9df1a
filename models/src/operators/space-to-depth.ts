import { int, numberAttribute } from "../graph/attribute.js";
import { blockedPicture } from "./blocks.js";
import { type Operator, requiredInput, shapeMismatch } from "./operator.js";

/** [B,C,H,W] to [B,C*b*b,H/b,W/b]; output channel (dy*b+dx)*C+c. */
export const spaceToDepth: Operator = {
	type: "SpaceToDepth",
	infer(node) {
		const { dtype } = requiredInput(node, 0);
		const { batch, channels, height, width, block } = blockedPicture(node);
		if (height % block !== 0 || width % block !== 0) throw shapeMismatch(node, `extents divisible by ${block}`);
		return [{ dtype, shape: [batch, channels * block * block, height / block, width / block] }];
	},
	backward(g, node, [gradient]) {
		const blocksize = int(numberAttribute(node.attributes, "blocksize", 1));
		return [gradient && g.add("DepthToSpace", [gradient], { blocksize })];
	},
};
