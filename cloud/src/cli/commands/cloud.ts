import { z } from "zod";
import { logLevels } from "../../operations/log-levels.js";
import { cloudRoles } from "../cloud-role.js";
import { seedOption, threadsOption } from "../common-options.js";
import { externalBrokerOptions } from "../external-broker-options.js";
import { option, toggle } from "../options/option.js";
import { storeOptions } from "../store-options.js";
import { trainingOptions } from "../training-options.js";
import { defineVerb } from "../verb.js";

export const cloudVerb = defineVerb({
	name: "cloud",
	summary: "broker and aggregator: train with the devices that connect, then answer them",
	description:
		"Starts the broker and the aggregator. Training begins when enough devices are there; afterwards the trained artifact lies in the state folder and the aggregator goes on answering requests for decisions.",
	options: {
		artifact: option("FILE", "joint artifact to train, made by psgl compile", z.string()),
		host: option("ADDRESS", "address to listen on; 0.0.0.0 for all", z.string().default("127.0.0.1")),
		port: option(
			"N",
			"port to listen on, 0 for a free one (default: 1883, with --pki 8883)",
			z.int().min(0).max(65_535).optional(),
		),
		pki: option(
			"DIR",
			"folder made by psgl provision init: TLS 1.3, and only devices with a certificate of it get in",
			z.string().optional(),
		),
		plainOutsideLoopback: toggle(
			"let everyone who reaches the address in, unencrypted; only on a network that is closed by other means",
		),
		webSocketPort: option(
			"N",
			"port for devices in browsers, MQTT over WebSocket; 0 for a free one (default with --web-socket-origins: 8083, with --pki 8084)",
			z.int().min(0).max(65_535).optional(),
		),
		webSocketOrigins: option(
			"URL,...",
			"origins of the pages that may connect over WebSocket, https://ward.example for instance",
			z
				.string()
				.regex(/^https?:\/\/[^/,\s]+(,\s*https?:\/\/[^/,\s]+)*$/, "origins without a path, with commas between them")
				.optional(),
		),
		...externalBrokerOptions,
		metricsPort: option(
			"N",
			"port on loopback for /metrics (Prometheus), /healthz and /readyz; 0 for a free one (default: none)",
			z.int().min(0).max(65_535).optional(),
		),
		webPort: option(
			"N",
			"port of the operations page and its HTTP API, with log-in; over TLS with --pki; 0 for a free one (default: none; with --role web 8080, with --pki 8443)",
			z.int().min(0).max(65_535).optional(),
		),
		webHost: option(
			"ADDRESS",
			"address the operations page listens on; other than loopback only with --pki",
			z.string().default("127.0.0.1"),
		),
		logFile: option(
			"FILE",
			"file that gets what the cloud does as lines of JSON, for whoever collects logs (default: none)",
			z.string().min(1).optional(),
		),
		otlpEndpoint: option(
			"URL",
			"collector of OpenTelemetry that gets a trace of each training batch, http://127.0.0.1:4318 for instance (default: none)",
			z.url({ protocol: /^https?$/ }).optional(),
		),
		logLevel: option("LEVEL", "least level of these lines", z.enum(logLevels).default("info")),
		rounds: option("N", "rounds of training; 0 only answers requests", z.int().min(0).max(1_000_000).default(10)),
		minDevices: option(
			"N",
			"devices with data that have to be there before the first round",
			z.int().min(1).max(4096).default(1),
		),
		...trainingOptions,
		seed: seedOption,
		threads: threadsOption,
		state: option("DIR", "folder for checkpoints and the trained artifact", z.string().default("psgl-state")),
		resume: toggle("go on with the run in the state folder, where it was"),
		fsync: option(
			"WHEN",
			"when the journal is synced to the disk: always, before a batch is acknowledged, or interval, every 50 ms, faster and without the last ones after a power failure",
			z.enum(["always", "interval"]).default("always"),
		),
		journalKeep: option(
			"WHAT",
			"checkpoint: what the oldest of the last three checkpoints needs; all: the whole run, for psgl replay from its beginning",
			z.enum(["checkpoint", "all"]).default("checkpoint"),
		),
		role: option(
			"ROLE",
			"what this process does for a run with --store: ingress takes devices' connections, aggregator trains, web shows the operations page, all does all of it",
			z.enum(cloudRoles).default("all"),
		),
		...storeOptions,
		exitWhenTrained: toggle("end when training is over instead of answering requests"),
	},
	examples: [
		{
			command: "psgl cloud --artifact chest.psgl --min-devices 8 --rounds 10",
			does: "train with eight devices on this machine's port 1883",
		},
		{
			command: "psgl cloud --artifact chest.psgl --host 0.0.0.0 --pki psgl-pki --resume",
			does: "go on after a stop, for devices on other machines that have a kit",
		},
		{
			command: "psgl cloud --artifact chest.psgl --host 0.0.0.0 --pki psgl-pki --web-host 0.0.0.0 --web-port 8443",
			does: "with the operations page; the first start prints a link that sets the first password",
		},
		{
			command: "psgl cloud --artifact chest.psgl --store nats://n1:4222,nats://n2:4222,nats://n3:4222 --role ingress",
			does: "take devices' connections for a run that lies on three NATS servers",
		},
		{
			command: "psgl cloud --artifact chest.psgl --store nats://n1:4222,nats://n2:4222,nats://n3:4222 --role web",
			does: "show the operations page of that run on http://127.0.0.1:8080",
		},
		{
			command: "psgl cloud --artifact chest.psgl --broker mqtt://127.0.0.1:1883 --min-devices 8",
			does: "train with devices that connect to a Mosquitto on this machine",
		},
		{
			command: "psgl cloud --artifact psgl-state/model.psgl --rounds 0",
			does: "answer requests with a trained artifact",
		},
	],
	run: async (options, context) => (await import("./run-cloud.js")).runCloud(options, context),
});
