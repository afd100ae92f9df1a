import { bytesPerElement, type DType, elementCount, type Tensor, tensorOver } from "../tensor.js";

/** Memory for a result that the runtime writes whole: whatever lay there before is not cleared first, which would take as long as a small kernel. */
export function unfilledTensor<T extends DType>(dtype: T, dims: readonly number[]): Tensor<T> {
	return tensorOver(dtype, dims, Buffer.allocUnsafeSlow(elementCount(dims) * bytesPerElement[dtype]).buffer);
}
