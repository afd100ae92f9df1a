/** Bounds on what psgl takes from an ONNX file. Each is there so that a damaged or hostile file cannot exhaust memory. */
export const onnxLimits = {
	/** Bytes of one tensor, inside the file or in one beside it. Half of protobuf's own bound on a whole file. */
	maxTensorBytes: 1_073_741_824,
	/** Time steps an LSTM, GRU or RNN is written out for: some 35 nodes each with derivatives, and ONNX Runtime loads longer graphs disproportionately long. */
	maxUnrolledSteps: 128,
} as const;
