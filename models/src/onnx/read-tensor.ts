import { ArtifactError, bytesPerElement, dtypeOf, elementCount, type Tensor, tensorFromBytes, zeros } from "@psgl/sdk";
import { checkTensorBytes, type ExternalData, externalBytes } from "./external-data.js";
import type { Int64, TensorProto } from "./schema.js";

/**
 * A tensor of an ONNX file, from its raw bytes, its typed fields or a file beside it.
 * @throws ArtifactError `PSGL_ONNX_EXTERNAL_DATA`, `PSGL_ONNX_DTYPE`, `PSGL_ONNX_CORRUPT`; LimitError
 * `PSGL_ONNX_TENSOR_TOO_LARGE`
 */
export function tensorFromProto(proto: TensorProto, name: string, external?: ExternalData): Tensor {
	const dtype = dtypeOf(proto.dataType ?? 0);
	if (dtype === undefined) throw unknownType(name, proto.dataType ?? 0);
	const dims = (proto.dims ?? []).map(Number);
	const count = elementCount(dims);
	if (dims.some((d) => !(d >= 0)) || !Number.isSafeInteger(count)) throw corrupt(name, `a shape [${dims.join(",")}]`);
	const length = count * bytesPerElement[dtype];
	checkTensorBytes(name, length);
	const isExternal = proto.dataLocation === 1;
	const bytes = isExternal ? externalBytes(proto, name, length, external) : proto.rawData;
	if (bytes !== undefined && (isExternal || bytes.length > 0)) {
		try {
			return tensorFromBytes(dtype, dims, bytes);
		} catch (cause) {
			throw corrupt(name, cause);
		}
	}
	const values = typedValues(proto);
	if (values.length !== count) throw corrupt(name, `${values.length} values for [${dims.join(",")}]`);
	const tensor = zeros(dtype, dims);
	values.forEach((value, i) => {
		if (tensor.dtype === "int64") tensor.data[i] = BigInt(value.toString());
		else tensor.data[i] = Number(value);
	});
	return tensor;
}

/** Small types travel in `int32Data`, float16 as its bit patterns among them. */
function typedValues(proto: TensorProto): readonly Int64[] {
	const fields = [proto.floatData, proto.doubleData, proto.int64Data, proto.int32Data];
	return fields.find((field) => field !== undefined && field.length > 0) ?? [];
}

export function unknownType(name: string, type: number): ArtifactError {
	return new ArtifactError("PSGL_ONNX_DTYPE", {
		what: `${name} has an element type psgl does not have`,
		got: `TensorProto.DataType ${type}`,
		expected: "float32, float64, float16, int8, uint8, int32, int64 or bool",
		remedy: "Export in float32: call model.float() before torch.onnx.export",
	});
}

function corrupt(name: string, cause: unknown): ArtifactError {
	return new ArtifactError("PSGL_ONNX_CORRUPT", {
		what: `the values of ${name} do not fit its shape`,
		got: cause instanceof Error ? cause.message : String(cause),
		remedy: "Copy or export the file again; onnx.checker finds what is damaged",
		cause,
	});
}
