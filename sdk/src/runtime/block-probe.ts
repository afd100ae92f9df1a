import { blockedDomain, importField, nodeField, onnx } from "./onnx-fields.js";
import { field, joined } from "./protobuf.js";

const irVersion = 8;
const float = 1;

/**
 * A model whose result has as many channels as a block of this processor's kernels: it puts x [1,4,1,1] into blocks. A session of it cannot
 * be made where ONNX Runtime has no kernels on blocks for the processor.
 */
export function blockProbe(): Uint8Array {
	const { model, graph } = onnx;
	const content = joined([
		nodeField("ReorderInput", ["x"], "y", {}, blockedDomain),
		field(graph.name, "block"),
		field(graph.input, pixelInfo("x")),
		field(graph.output, pixelInfo("y")),
	]);
	return joined([field(model.irVersion, irVersion), field(model.graph, content), importField(blockedDomain)]);
}

/** A tensor of four axes whose extents are not known. */
function pixelInfo(name: string): Uint8Array {
	const { valueInfo, type, tensorType, shape } = onnx;
	const axes = joined([0, 1, 2, 3].map(() => field(shape.dim, new Uint8Array())));
	const tensor = joined([field(tensorType.elementType, float), field(tensorType.shape, axes)]);
	return joined([field(valueInfo.name, name), field(valueInfo.type, field(type.tensor, tensor))]);
}
