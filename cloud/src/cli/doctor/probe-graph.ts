/** A small ONNX graph to try the engine with, encoded: a bundle for a device has nothing that encodes graphs. */

/** y = softmax of x times its transpose, x float32 [8, 64]; a test compares it with what the graph builder writes. */
export const probeGraph: Uint8Array = Buffer.from(
	[
		"CAgSBHBzZ2w6wgEKKgoBeBINVHJhbnNwb3NlXzA6MBoLVHJhbnNwb3NlXzAiCVRyYW5zcG9zZQowCgF4Cg1UcmFuc3Bvc2VfMDow",
		"EgpNYXRNdWxfMDowGghNYXRNdWxfMCIGTWF0TXVsCjAKCk1hdE11bF8wOjASAXkaCVNvZnRtYXhfMCIHU29mdG1heCoLCgRheGlz",
		"GAGgAQISBmRvY3RvcloTCgF4Eg4KDAgBEggKAggICgIIQGITCgF5Eg4KDAgBEggKAggICgIICEICEBI=",
	].join(""),
	"base64",
);
