/** Bounds on what psgl takes from an ONNX file. Each is there so that a damaged or hostile file cannot exhaust memory. */
export const onnxLimits = {
	/** Bytes of one tensor, inside the file or in one beside it. Half of protobuf's own bound on a whole file. */
	maxTensorBytes: 1_073_741_824,
	/** Nodes of a graph once the functions that the model brings along are written out. */
	maxInlinedNodes: 200_000,
	/** How deep such functions may call each other. */
	maxFunctionDepth: 32,
	/** Time steps an LSTM, GRU or RNN is written out for; longer sequences run as a Scan, which loads at once whatever the length. */
	maxUnrolledSteps: 16,
} as const;
