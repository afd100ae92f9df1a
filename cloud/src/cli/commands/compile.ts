import { wireDTypes } from "@psgl/sdk/protocol";
import { z } from "zod";
import { settingOptions, zooHelp } from "../model-options.js";
import { option, toggle } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const compileVerb = defineVerb({
	name: "compile",
	summary: "make a model artifact from a zoo model or an ONNX file",
	description:
		"Compiles a zoo model or the classifier of an ONNX file into an artifact: the ONNX graphs of both halves and the first weights, fresh for a zoo model, those of the file else.",
	options: {
		zoo: option("NAME", "zoo model", z.string().optional()),
		onnx: option("FILE", "ONNX file of a classifier (docs/models.md)", z.string().min(1).optional()),
		cut: option(
			"TENSORS",
			"tensors of the ONNX file to cut at, commas between; auto: the cheapest cut within the limits",
			z.string().min(1).optional(),
		),
		listCuts: toggle("print where the ONNX file can be cut and what each cut costs the device"),
		maxBytes: option(
			"BYTES",
			"with --cut auto: most bytes of smashed data a sample, as float16",
			z.number().positive().optional(),
		),
		maxClientMflop: option(
			"MFLOP",
			"with --cut auto: most million operations a sample on the device, going forward",
			z.number().positive().optional(),
		),
		maxClientMemory: option(
			"BYTES",
			"with --cut auto: most bytes of activations a sample on the device, in training",
			z.number().positive().optional(),
		),
		normalise: option(
			"MEAN,STD",
			"what the ONNX file's inputs, in [0,1], are normalised by; values for each channel with colons between",
			z
				.string()
				.regex(
					/^-?[\d.]+(:-?[\d.]+)*,[\d.]+(:[\d.]+)*$/,
					"a mean and a deviation such as 0.5,0.25 or 0.49:0.46:0.41,0.25:0.24:0.26",
				)
				.optional(),
		),
		input: option(
			"SHAPE",
			"shape of one input: CxHxW for pictures, CxL for signals (default: the ONNX file's)",
			z
				.string()
				.regex(/^[1-9]\d*(x[1-9]\d*){1,2}$/, "a shape such as 1x28x28 or 1x128")
				.optional(),
		),
		classes: option(
			"CLASSES",
			"number of classes, or their names with commas between (default: as many as the ONNX file has)",
			z
				.string()
				.regex(/^(\d+|[^,]+(,[^,]+)+)$/, "a number such as 2, or names such as normal,opacity")
				.optional(),
		),
		...settingOptions,
		name: option("NAME", "name inside the artifact (default: the model's)", z.string().min(1).max(64).optional()),
		wire: option(
			"TYPE",
			"element type of smashed data on the wire in runs that name none: float32, float16, int8 or int4 (default: float16)",
			z.enum(wireDTypes).optional(),
		),
		seed: option("N", "draws the initial weights", z.int().default(1)),
		output: option(
			"FILE",
			"artifact to write",
			z
				.string()
				.regex(/\.psgl$/, "a file name ending in .psgl")
				.optional(),
			"-o",
		),
	},
	notes: `Zoo models:\n${zooHelp}`,
	examples: [
		{
			command: "psgl compile --zoo lenet --input 1x28x28 --classes 2 -o chest.psgl",
			does: "28x28 grey pictures in two classes, the default privacy settings",
		},
		{
			command: "psgl compile --zoo ecg-1d --input 1x128 --classes N,L,R,A,V --privacy paper -o ecg.psgl",
			does: "heart beats of 128 samples, the method exactly as published",
		},
		{
			command: "psgl compile --zoo lenet --input 1x28x28 --classes 2 --privacy shield --code-bits 3 -o hidden.psgl",
			does: "a picture leaves as one number of 3 bits, once (docs/privacy.md)",
		},
		{
			command: "psgl compile --onnx model.onnx --list-cuts",
			does: "where a model of your own can be cut",
		},
		{
			command: "psgl compile --onnx model.onnx --cut /relu/Relu_output_0 --normalise 0.5,0.25 -o own.psgl",
			does: "cut there; its weights are the first ones",
		},
	],
	// Loaded on demand: ONNX Runtime and the compiler would slow down --help.
	run: async (options, context) => (await import("./run-compile.js")).runCompile(options, context),
});
