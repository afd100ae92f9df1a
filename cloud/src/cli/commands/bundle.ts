import { z } from "zod";
import { targets } from "../../bundle/target.js";
import { option, toggle } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const bundleVerb = defineVerb({
	name: "bundle",
	summary: "pack what runs on a device into one archive",
	description:
		"Makes one .tgz for one platform: psgl device and psgl infer as JavaScript, ONNX Runtime, the client half of an artifact, install script, systemd unit, bill of materials, checksums. Never the server half. The device needs Node.js 20.19 or later. The same input gives the same bytes.",
	options: {
		artifact: option("FILE", "artifact, of which the client half goes in", z.string().min(1)),
		target: option("PLATFORM", "platform of the device", z.enum(targets)),
		withSharp: toggle("with what decodes pictures (PNG, JPEG, TIFF, WebP)"),
		withNode: option(
			"FILE",
			"with this Node.js program, built for the device's platform: for devices that have none",
			z.string().min(1).optional(),
		),
		packages: option(
			"DIR",
			"folder into which packages of the target's platform were installed, where that is not this machine's",
			z.string().min(1).optional(),
		),
		quick: toggle("pack in seconds instead of minutes, a fifth larger: for trying"),
		output: option("FILE", "file to write", z.string().regex(/\.tgz$/, "a file name ending in .tgz"), "-o"),
	},
	positional: "artifact",
	examples: [
		{
			command: "psgl bundle model.psgl --target linux-x64 -o device.tgz",
			does: "a bundle for a machine like this one",
		},
		{
			command: "psgl bundle model.psgl --target linux-arm64 --packages arm64 --with-sharp -o device.tgz",
			does: "a bundle for a Raspberry Pi that reads pictures",
		},
	],
	run: async (options, context) => (await import("./run-bundle.js")).runBundle(options, context),
});
