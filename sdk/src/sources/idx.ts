import { DataError } from "../errors.js";
import { elementCount, type Tensor } from "../tensor.js";

/**
 * Reads one file in the idx format of MNIST: bytes 0, 0, element type, number of dimensions, then each dimension
 * as a big-endian uint32, then the values in row-major order. Only unsigned bytes (type 8) occur in such sets.
 *
 * @param name for error messages
 * @throws DataError `PSGL_IDX_MAGIC`, `PSGL_IDX_LENGTH`
 */
export function parseIdx(bytes: Uint8Array, name: string): Tensor<"uint8"> {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const rank = bytes[3] ?? 0;
	if (bytes.length < 4 || view.getUint16(0) !== 0 || bytes[2] !== 8 || rank < 1 || rank > 3) {
		throw new DataError("PSGL_IDX_MAGIC", {
			what: `${name} is not an idx file of unsigned bytes`,
			got: `first bytes ${Buffer.from(bytes.subarray(0, 4)).toString("hex") || "(none)"}`,
			expected: "000008 and the number of dimensions, 1 to 3",
			remedy: "Fetch the file again.",
		});
	}
	const start = 4 + 4 * rank;
	const dims = bytes.length < start ? [] : Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
	if (bytes.length !== start + elementCount(dims)) {
		throw new DataError("PSGL_IDX_LENGTH", {
			what: `${name} is cut off or has bytes too many`,
			got: `${bytes.length} bytes`,
			expected: dims.length === 0 ? `at least ${start}` : `${start + elementCount(dims)} for shape [${dims.join(",")}]`,
			remedy: "Fetch the file again.",
		});
	}
	return { dtype: "uint8", dims, data: bytes.subarray(start) };
}
