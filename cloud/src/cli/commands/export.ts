import { z } from "zod";
import { option, toggle } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const exportVerb = defineVerb({
	name: "export",
	summary: "make one ordinary ONNX file of an artifact",
	description:
		"Joins both halves of an artifact to one ONNX file for plain inference, weights inside, which any ONNX tool runs: inputs in [0,1] in, probabilities out, and the logits where one stream decides alone.",
	options: {
		artifact: option("FILE", "joint artifact", z.string().min(1)),
		stream: option(
			"NAME",
			"fused: the decision of all streams; A, R or F: that stream alone",
			z.enum(["fused", "A", "R", "F"]).default("fused"),
		),
		withMap: toggle("keep the device's saliency map on the input, as it is deployed"),
		output: option("FILE", "file to write", z.string().regex(/\.onnx$/, "a file name ending in .onnx"), "-o"),
	},
	positional: "artifact",
	examples: [
		{ command: "psgl export psgl-state/model.psgl -o joined.onnx", does: "the trained model as one file" },
		{
			command: "psgl export psgl-demo/vanilla.psgl --stream A -o plain.onnx",
			does: "one stream alone, logits and probabilities",
		},
	],
	run: async (options, context) => (await import("./run-export.js")).runExport(options, context),
});
