import { ArtifactError, LimitError } from "@psgl/sdk";
import { onnxLimits } from "./limits.js";
import type { TensorProto } from "./schema.js";

/**
 * Reads a part of a file that lies beside an ONNX file: `length` bytes from `offset` on, fewer where the file ends
 * earlier. `location` is a relative path without `..`, its parts separated by `/`.
 */
export type ExternalData = (location: string, offset: number, length: number) => Uint8Array;

/**
 * The bytes of a tensor whose values are in another file (ONNX "External data": location, offset and length).
 *
 * @param length bytes the tensor has by its shape
 * @throws ArtifactError `PSGL_ONNX_EXTERNAL_DATA` where no reader is given, the location leaves the folder of the model
 * or the file is too short; LimitError `PSGL_ONNX_TENSOR_TOO_LARGE`
 */
export function externalBytes(
	{ externalData = [] }: TensorProto,
	name: string,
	length: number,
	read: ExternalData | undefined,
): Uint8Array {
	const entry = (key: string) => externalData.find((e) => e.key === key)?.value;
	const location = entry("location") ?? "";
	if (read === undefined) {
		throw refused(name, location, {
			remedy: "Keep that file beside the model, or save as one: onnx.save(model, path, save_as_external_data=False)",
		});
	}
	if (!isInside(location)) {
		throw refused(name, location, {
			expected: "a relative path that stays in the folder of the model",
			remedy: "Save the model again: onnx.save(model, path, save_as_external_data=True)",
		});
	}
	const offset = Number(entry("offset") ?? 0);
	const given = Number(entry("length") ?? length);
	if (!Number.isSafeInteger(offset) || offset < 0 || given !== length) {
		throw refused(name, `${location} from ${entry("offset")}, ${entry("length")} bytes`, {
			expected: `${length} bytes, as its shape says`,
			remedy: "Export or save the model again",
		});
	}
	const bytes = read(location, offset, length);
	if (bytes.byteLength === length) return bytes;
	throw refused(name, `${bytes.byteLength} bytes of ${location} from ${offset} on`, {
		expected: `${length} bytes`,
		remedy: "The file is cut off: copy or save it again",
	});
}

/** @throws LimitError `PSGL_ONNX_TENSOR_TOO_LARGE` before memory is set aside for the tensor */
export function checkTensorBytes(name: string, bytes: number): void {
	if (bytes <= onnxLimits.maxTensorBytes) return;
	throw new LimitError("PSGL_ONNX_TENSOR_TOO_LARGE", {
		what: `${name} is larger than psgl reads`,
		got: `${bytes} bytes`,
		expected: `at most ${onnxLimits.maxTensorBytes}`,
		remedy: "Check the file: a damaged one announces any size",
	});
}

/** Whether a path names a file below the folder it is relative to, by its text alone. */
function isInside(location: string): boolean {
	if (location === "" || /^[/\\]|^[A-Za-z]:|\0/.test(location)) return false;
	return location.split(/[/\\]/).every((part) => part !== "..");
}

function refused(name: string, got: string, rest: { expected?: string; remedy: string }): ArtifactError {
	return new ArtifactError("PSGL_ONNX_EXTERNAL_DATA", {
		what: `the values of ${name} are in another file, which cannot be used`,
		got: got === "" ? "no location" : got,
		...rest,
	});
}
