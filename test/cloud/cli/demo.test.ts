import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeArtifact } from "@psgl/sdk/artifact";
import test from "ava";
import { z } from "zod";
import { runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

const fraction = z.number().min(0).max(1);
const byRow = z.strictObject({ A: fraction, R: fraction, F: fraction, fused: fraction });
const attacks = <T extends z.ZodType>(value: T) =>
	z.strictObject({ fgsm: value, pgd2: value, pgd8: value, jsma: value });

const positive = z.number().positive();
const leak = z.strictObject({ leak: z.number().max(1.1), leakBeyondLabel: z.number().max(1.1) });

const cost = z.strictObject({ stepMs: positive, recordMs: positive, memoryBytes: positive, recordBytes: positive });

/** The last line of `psgl demo --json`, as the documentation promises it. */
const result = z.strictObject({
	type: z.literal("result"),
	data: z.string(),
	devices: z.int(),
	rounds: z.int(),
	seed: z.int(),
	accuracy: byRow,
	balancedAccuracy: byRow,
	auc: byRow,
	withoutMap: z.strictObject({ accuracy: byRow }),
	attacked: attacks(byRow),
	vanilla: z.strictObject({
		accuracy: fraction,
		balancedAccuracy: fraction,
		auc: fraction,
		attacked: attacks(fraction),
	}),
	majority: fraction,
	severalLabels: z.null(),
	stepsPerSecond: z.number().positive(),
	bytesUpPerSample: z.number().positive(),
	bytesDownPerSample: z.number().positive(),
	leak: z.strictObject({ robust: leak, paper: leak, shield: leak }),
	bitsPerRecord: z.strictObject({ robust: positive, vanilla: positive, paper: positive, shield: positive }),
	deviceCost: z.strictObject({ robust: cost, vanilla: cost }),
	lost: z.literal(0),
	doubled: z.literal(0),
	wallSeconds: z.number().positive(),
});

test.serial("the whole demo on embedded data learns, loses nothing and writes what it says", async (t) => {
	const out = await temporaryFolder(t);
	const run = await runCli(
		`demo --json --devices 4 --samples 640 --rounds 5 --attack-samples 16 --out ${out}`.split(" "),
	);
	t.is(run.exitCode, 0, run.stderr);
	const last = result.parse(run.events.at(-1));
	t.is(run.events.filter((e) => e.type === "result").length, 1);
	t.like(last, { devices: 4, rounds: 5, seed: 1 });
	t.regex(last.data, /^synthetic chest phantom/);
	t.true(last.accuracy.fused >= last.majority + 0.1, `fused ${last.accuracy.fused}, majority ${last.majority}`);

	t.true(last.leak.paper.leak > 0.5 && last.leak.robust.leak > 0.5, "neither hides pictures");
	t.true(last.leak.shield.leakBeyondLabel < 0.5 * last.leak.paper.leakBeyondLabel, JSON.stringify(last.leak));
	t.is(last.bitsPerRecord.shield, 5);
	t.is(last.bitsPerRecord.paper, last.bitsPerRecord.vanilla, "each record once in each round");

	const { manifest } = await decodeArtifact(await readFile(join(out, "model.psgl")));
	t.like(manifest, { part: "joint", version: 1, streams: ["A", "R", "F"] });
	const vanilla = await decodeArtifact(await readFile(join(out, "vanilla.psgl")));
	t.like(vanilla.manifest, { streams: ["A"], map: null, robustBudget: 0 });
	const report = JSON.parse(await readFile(join(out, "report.json"), "utf8"));
	t.deepEqual({ type: "result", ...report.result }, last);
	t.true(report.synthetic);
	t.is(
		report.psgl.counts.samples,
		report.psgl.rounds.reduce((sum: number, r: { samples: number }) => sum + r.samples, 0),
	);

	const rounds = run.events.filter((e) => e.type === "round");
	t.is(rounds.filter((e) => e.system === "psgl").length, 5);
	t.is(rounds.filter((e) => e.system === "vanilla").length, 5);
});

test.serial("for people: a table, the majority class and a word that the data are synthetic", async (t) => {
	const out = await temporaryFolder(t);
	const { exitCode, stdout, stderr } = await runCli(
		`demo --devices 2 --samples 40 --rounds 1 --attack-samples 0 --out ${out}`.split(" "),
	);
	t.is(exitCode, 0, stderr);
	t.regex(stdout, /^test inputs +A +R +F +fused +vanilla +fused - vanilla$/m);
	t.regex(stdout, /^as deployed +accuracy( +[\d.]+ %){5} +[+-][\d.]+$/m);
	t.regex(stdout, /^ +balanced( +[\d.]+ %){5}/m);
	t.regex(stdout, /^Majority class 60\.0 % of 480 test inputs/m);
	t.regex(stdout, /synthetic: these numbers say nothing about real radiographs/);
	t.regex(stderr, /^psgl round 1\/1: loss A [\d.]+ R [\d.]+ F [\d.]+, accuracy/m);
	t.false(stdout.includes("\x1b"), "no control characters off a terminal");
});

test.serial("Ctrl-C ends the demo after the step with a checkpoint that psgl cloud goes on from", async (t) => {
	const out = await temporaryFolder(t);
	const stopped = await runCli(`demo --json --devices 2 --samples 200 --rounds 50 --out ${out}`.split(" "), {
		onEvent: (event, child) => {
			if (event.type === "round" && event.round === 2) child.kill("SIGINT");
		},
	});
	t.is(stopped.exitCode, 130, stopped.stderr);
	const checkpoint = stopped.events.find((e) => e.type === "checkpoint");
	t.is(checkpoint?.file, join(out, "training.checkpoint"));
	const round = checkpoint?.round as number;
	t.true(round >= 2);
	t.like(stopped.events.at(-1), { type: "error", code: "PSGL_INTERRUPTED" });

	const resumed = await runCli(
		`cloud --json --artifact ${join(out, "untrained.psgl")} --state ${out} --resume --rounds ${round} --port 0 --exit-when-trained`.split(
			" ",
		),
	);
	t.is(resumed.exitCode, 0, resumed.stderr);
	t.like(
		resumed.events.find((e) => e.type === "listening"),
		{ round },
	);
	t.like(resumed.events.at(-1), { type: "result", rounds: round, reason: "finished" });
	t.like((await decodeArtifact(await readFile(join(out, "model.psgl")))).manifest, { version: 1, name: "psgl" });
});
