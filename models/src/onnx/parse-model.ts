import { ArtifactError, type DType, dtypeOf } from "@psgl/sdk";
import type { Dim, Shape } from "../graph/graph.js";
import { readableOpsets } from "./normalise-opset.js";
import { unknownType } from "./read-tensor.js";
import { decodeModelProto, type ModelProto, type ValueInfoProto } from "./schema.js";

/**
 * The message of an ONNX file.
 * @throws ArtifactError `PSGL_ONNX_TRUNCATED`, `PSGL_ONNX_NOT_ONNX`, `PSGL_ONNX_SPARSE`
 */
export function parseModel(bytes: Uint8Array): ModelProto {
	let model: ModelProto;
	try {
		model = decodeModelProto(bytes);
	} catch (cause) {
		const truncated = cause instanceof RangeError;
		throw new ArtifactError(truncated ? "PSGL_ONNX_TRUNCATED" : "PSGL_ONNX_NOT_ONNX", {
			what: truncated ? "an ONNX file ends too early" : "a file is not ONNX",
			got: `${bytes.byteLength} bytes: ${(cause as Error).message}`,
			remedy: truncated ? "Copy or export the model again" : "Export the model with torch.onnx.export",
			cause,
		});
	}
	if (model.graph?.node === undefined || model.graph.node.length === 0 || model.opsetImport?.length === 0) {
		throw new ArtifactError("PSGL_ONNX_NOT_ONNX", {
			what: "a file is not ONNX, or holds no graph",
			got: `${bytes.byteLength} bytes`,
			remedy: "Export the model with torch.onnx.export",
		});
	}
	if (model.graph.sparseInitializer !== undefined && model.graph.sparseInitializer.length > 0)
		throw sparse("initialisers");
	return model;
}

/** Sparse tensors are no part of what psgl computes with. */
export function sparse(got: string): ArtifactError {
	return new ArtifactError("PSGL_ONNX_SPARSE", {
		what: "the model holds sparse tensors",
		got,
		expected: "dense ones",
		remedy: "Turn them into dense tensors before export: weight.to_dense()",
	});
}

/** Version of the standard operator set a file uses. @throws ArtifactError `PSGL_ONNX_OPSET`. */
export function opsetOf(model: ModelProto): number {
	const standard = model.opsetImport?.find(
		({ domain }) => domain === undefined || domain === "" || domain === "ai.onnx",
	);
	const version = Number(standard?.version ?? 0);
	if (version < readableOpsets.first || version > readableOpsets.last) {
		throw new ArtifactError("PSGL_ONNX_OPSET", {
			what: "an ONNX file uses a version of the operator set psgl does not read",
			got: `opset ${version}`,
			expected: `${readableOpsets.first} to ${readableOpsets.last}`,
			remedy: "Export with opset_version=17, or convert the file with onnx.version_converter",
		});
	}
	return version;
}

/** Element type and shape of an input; extents the file leaves open get a name. @throws ArtifactError `PSGL_ONNX_DTYPE`. */
export function inputType({ name, type }: ValueInfoProto): { dtype: DType; shape: Shape } {
	const { elemType = 0, shape } = type?.tensorType ?? {};
	const dtype = dtypeOf(elemType);
	if (dtype === undefined) throw unknownType(`input ${name}`, elemType);
	const dims = (shape?.dim ?? []).map((dim, i): Dim => {
		const extent = Number(dim.dimValue ?? 0);
		if (extent > 0) return extent;
		return dim.dimParam === undefined || dim.dimParam === "" ? `${name}_${i}` : dim.dimParam;
	});
	return { dtype, shape: dims };
}
