import { z } from "zod";
import { deviceProfileNames } from "./device-profiles.js";
import { linkModelNames } from "./link-models.js";
import { scenarioLimits } from "./scenario-limits.js";

const share = z.number().min(0).max(1);
const hours = z.number().min(0).max(scenarioLimits.maxHours);
const positiveHours = z.number().positive().max(scenarioLimits.maxHours);
const perWeek = z.number().min(0).max(1000);

const churn = z
	.strictObject({
		onHours: positiveHours.describe("hours a device is switched on, on average"),
		offHours: positiveHours.describe("hours it is then switched off, on average"),
	})
	.describe("devices are switched off and on again, in good order; exponential times");

const battery = z
	.strictObject({
		wattHours: z.number().positive().max(10_000).describe("what a full battery holds"),
		chargeHours: positiveHours.describe("hours an empty one is off until it is full again"),
	})
	.describe("devices run from a battery and are off while it is charged");

export const maliciousKinds = ["poison", "flood", "replay", "garbage"] as const;

/** What a malicious device does. */
export type MaliciousKind = (typeof maliciousKinds)[number];

const malicious = z.strictObject({
	kind: z
		.enum(maliciousKinds)
		.describe(
			"poison: turned labels and weights pushed the other way; flood: messages without end; replay: its old messages again; garbage: bytes that are no message",
		),
	share: share.describe("share of the group's devices"),
});

const group = z.strictObject({
	name: z
		.string()
		.regex(/^[a-z][a-z0-9-]{0,31}$/)
		.describe("first part of its devices' names: small letters, digits, -"),
	count: z.int().min(1).max(scenarioLimits.maxDevices),
	profile: z.enum(deviceProfileNames),
	link: z.enum(linkModelNames),
	addresses: z
		.int()
		.min(1)
		.max(scenarioLimits.maxDevices)
		.optional()
		.describe("network addresses they share; the broker limits connections of one (default: one each)"),
	samples: z
		.strictObject({ least: z.int().min(2).max(1_000_000), most: z.int().min(2).max(1_000_000) })
		.default({ least: 64, most: 64 })
		.describe("training samples of a device, drawn between these"),
	rampHours: hours.default(0).describe("devices are switched on for the first time spread over these hours"),
	churn: churn.optional(),
	rebootsPerWeek: perWeek.default(0).describe("restarts of a device in good order, on average"),
	powerLossesPerWeek: perWeek.default(0).describe("times a device loses power for some minutes, on average"),
	clockSkewSeconds: z
		.number()
		.min(0)
		.max(31_536_000)
		.default(0)
		.describe("standard deviation of the clock's error after a start, until the network sets it"),
	battery: battery.optional(),
	stragglers: z
		.strictObject({ share, slowdown: z.number().min(1).max(1000) })
		.default({ share: 0, slowdown: 1 })
		.describe("share of devices that compute so many times slower"),
	malicious: z.array(malicious).max(maliciousKinds.length).default([]),
});

const update = z.strictObject({
	atHours: hours.describe("start of the first wave"),
	waves: z
		.array(share.positive())
		.min(1)
		.max(20)
		.describe("share of the fleet that has it after each wave, rising to 1"),
	everyHours: positiveHours.describe("hours between waves"),
	megabytes: z.number().positive().max(1000).describe("size of the download"),
	failures: share
		.default(0)
		.describe("share of the installations that fail, restart once more and are tried again an hour later"),
});

const training = z.strictObject({
	rounds: z.int().min(0).max(10_000),
	everyHours: positiveHours
		.optional()
		.describe("a round begins so many hours after the one before it, or when that has ended"),
	minDevices: z.int().min(1).max(scenarioLimits.maxDevices).default(1),
	batchSize: z.int().min(2).max(512).default(32),
	averageEvery: z.int().min(0).max(1000).default(4),
	groupSize: z.int().min(1).max(1024).default(4),
	averaging: z.enum(["mean", "trimmed-mean", "median", "krum"]).default("mean"),
	outlierGuard: z.boolean().default(false),
	stepTimeoutSeconds: z.number().positive().max(86_400).default(30),
	roundTimeoutSeconds: z.number().positive().max(86_400).default(60),
	learningRate: z.number().positive().max(10).default(0.001),
});

const model = z.strictObject({
	network: z.enum(["lenet", "psgl-paper", "resnet-small"]).default("lenet").describe("network of the zoo"),
	privacy: z.enum(["none", "paper", "robust"]).default("robust"),
	imageSize: z.int().min(16).max(64).default(28).describe("side of the pictures of the synthetic chest phantom"),
});

const learning = z
	.strictObject({
		panel: z.int().min(2).max(256).describe("devices of the fleet that really train"),
		stepsPerRound: z.int().min(1).max(64).describe("real steps one of them makes in a round at most"),
		evaluationSamples: z.int().min(16).max(4096).default(256),
		deal: z
			.union([z.literal("iid"), z.strictObject({ dirichlet: z.number().positive().max(1000) })])
			.default("iid")
			.describe("how unlike their data are"),
	})
	.describe(
		"virtual time only: a sample of the devices trains real graphs on real pictures; without it there is no accuracy",
	);

const milliseconds = z.number().positive().max(600_000);

/** Measured times of a step; `psgl fleet --calibrate` prints one. */
export const calibrationSchema = z.strictObject({
	machine: z.string().max(200).describe("what it was measured on"),
	forwardMs: milliseconds.describe("client/forward, one batch, one core"),
	backwardMs: milliseconds.describe("client/train, one batch, one core"),
	serverStepMs: milliseconds.describe("server/train, the batches of one group, on the aggregator"),
	messageMs: milliseconds.describe("reading one message of a batch on the aggregator"),
});

const invariants = z.strictObject({
	lost: z.int().min(0).default(0).describe("batches taken in that neither took effect nor were refused, at most"),
	doubled: z.int().min(0).default(0).describe("batches that took effect twice, at most"),
	orphanedSessions: z.int().min(0).default(0).describe("sessions of devices that are gone, at most"),
	outboxOverflows: z.int().min(0).default(0).describe("times an outbox was full or a message in it too old, at most"),
	leftBehindShare: share
		.default(0.05)
		.describe(
			"share of the honest devices on line at the end that did not train in the last three rounds, or lack an update, at most",
		),
	leastAccuracy: share.optional().describe("accuracy after the last round, at least"),
});

/** What a scenario file holds. */
export const scenarioSchema = z.strictObject({
	$schema: z.string().optional(),
	name: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/),
	description: z.string().max(1000).default(""),
	hours: positiveHours.describe("simulated hours"),
	fleet: z.array(group).min(1).max(64),
	updates: z.array(update).max(20).default([]),
	training,
	model: model.default(() => model.parse({})),
	learning: learning.optional(),
	calibration: calibrationSchema
		.optional()
		.describe("times of a step; without it they are measured at the start, and two runs may differ"),
	invariants: invariants.default(() => invariants.parse({})),
});

/** A checked scenario, defaults filled in. */
export type Scenario = Readonly<z.infer<typeof scenarioSchema>>;

export type ScenarioGroup = Scenario["fleet"][number];

export type Calibration = Readonly<z.infer<typeof calibrationSchema>>;

/** JSON Schema of scenario files, as docs/scenario.schema.json publishes it. */
export function scenarioJsonSchema(): unknown {
	return z.toJSONSchema(scenarioSchema, { io: "input" });
}
