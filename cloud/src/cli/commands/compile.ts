import { z } from "zod";
import { settingOptions, zooHelp } from "../model-options.js";
import { option } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const compileVerb = defineVerb({
	name: "compile",
	summary: "make a model artifact from a zoo model",
	description: "Compiles a zoo model into an artifact: the ONNX graphs of both halves and fresh weights.",
	options: {
		zoo: option("NAME", "zoo model", z.string()),
		input: option(
			"SHAPE",
			"shape of one input: CxHxW for pictures, CxL for signals",
			z.string().regex(/^[1-9]\d*(x[1-9]\d*){1,2}$/, "a shape such as 1x28x28 or 1x128"),
		),
		classes: option(
			"CLASSES",
			"number of classes, or their names with commas between",
			z.string().regex(/^(\d+|[^,]+(,[^,]+)+)$/, "a number such as 2, or names such as normal,opacity"),
		),
		...settingOptions,
		name: option("NAME", "name inside the artifact (default: the zoo model's)", z.string().min(1).max(64).optional()),
		seed: option("N", "draws the initial weights", z.int().default(1)),
		output: option("FILE", "artifact to write", z.string().regex(/\.psgl$/, "a file name ending in .psgl"), "-o"),
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
	],
	// Loaded on demand: ONNX Runtime and the compiler would slow down --help.
	run: async (options, context) => (await import("./run-compile.js")).runCompile(options, context),
});
