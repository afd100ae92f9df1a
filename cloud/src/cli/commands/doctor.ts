import { z } from "zod";
import { kitOptions } from "../kit-options.js";
import { option } from "../options/option.js";
import { defineVerb } from "../verb.js";

export const doctorVerb = defineVerb({
	name: "doctor",
	summary: "check that psgl can run on this machine",
	description:
		"Checks Node.js, glibc, the clock, ONNX Runtime and its execution providers, sharp, memory, cores, the state folder and how fast its disk syncs, the certificate, the broker or its port, and how long a model's training step takes. Ends with 0 when nothing failed, else with 1.",
	options: {
		broker: option("URL", "try to reach this broker instead of checking that the port is free", z.string().optional()),
		...kitOptions,
		host: option("ADDRESS", "address the broker would listen on", z.string().default("127.0.0.1")),
		port: option("N", "port that has to be free", z.int().min(0).max(65_535).default(1883)),
		artifact: option("FILE", "model whose training step is timed on this machine", z.string().optional()),
		state: option("DIR", "folder for checkpoints and artifacts", z.string().default("psgl-state")),
	},
	examples: [
		{ command: "psgl doctor", does: "everything this machine needs for psgl cloud" },
		{ command: "psgl doctor --broker mqtt://127.0.0.1:1883", does: "can this machine reach the broker?" },
		{
			command: "psgl doctor --kit ward-3.kit.json --artifact chest.psgl",
			does: "everything this device needs, and how long a step takes",
		},
		{ command: "psgl doctor --kit ward-3.kit.json", does: "is the certificate valid, and does the broker accept it?" },
	],
	run: async (options, context) => (await import("./run-doctor.js")).runDoctor(options, context),
});
