import type { Attribute, Attributes } from "../graph/attribute.js";
import { sparse } from "./parse-model.js";
import { tensorFromProto } from "./read-tensor.js";
import { type AttributeProto, attributeType } from "./schema.js";

/** Attributes of a node. Kinds psgl has no use for (sub-graphs) are left out. @throws ArtifactError `PSGL_ONNX_SPARSE`. */
export function readAttributes(protos: readonly AttributeProto[]): Attributes {
	const attributes: Record<string, Attribute> = {};
	for (const proto of protos) {
		const attribute = readAttribute(proto);
		if (attribute !== undefined) attributes[proto.name] = attribute;
	}
	return attributes;
}

function readAttribute(proto: AttributeProto): Attribute | undefined {
	const decoder = new TextDecoder();
	switch (proto.type) {
		case attributeType.int:
			return { type: "int", value: Number(proto.i ?? 0) };
		case attributeType.float:
			return { type: "float", value: proto.f ?? 0 };
		case attributeType.string:
			return { type: "string", value: decoder.decode(Uint8Array.from(proto.s ?? [])) };
		case attributeType.tensor:
			return proto.t && { type: "tensor", value: tensorFromProto(proto.t, proto.name) };
		case attributeType.ints:
			return { type: "ints", value: (proto.ints ?? []).map(Number) };
		case attributeType.floats:
			return { type: "floats", value: [...(proto.floats ?? [])] };
		case attributeType.strings:
			return { type: "strings", value: (proto.strings ?? []).map((s) => decoder.decode(s)) };
		case attributeType.sparseTensor:
			throw sparse(`attribute ${proto.name}`);
		default:
			return undefined;
	}
}
