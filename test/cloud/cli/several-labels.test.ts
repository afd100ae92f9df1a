import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeArtifact } from "@psgl/sdk/artifact";
import test, { type ExecutionContext } from "ava";
import { z } from "zod";
import { areas, areasNpz } from "../../helpers/areas.js";
import { type CliResult, runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

const fraction = z.number().min(0).max(1);
const byRow = z.strictObject({ A: fraction, R: fraction, F: fraction, fused: fraction });
const attacks = z.strictObject({ fgsm: byRow, pgd2: byRow, pgd8: byRow, jsma: byRow });
const label = z.strictObject({
	auc: fraction.nullable(),
	accuracy: fraction,
	majority: fraction,
	vanilla: z.strictObject({ auc: fraction.nullable(), accuracy: fraction }),
});

/** What `psgl demo --json` ends with where several labels may apply, as far as it differs. */
const result = z.object({
	accuracy: byRow,
	balancedAccuracy: byRow,
	auc: byRow,
	attacked: attacks,
	majority: fraction,
	severalLabels: z.strictObject({
		exactMatch: byRow,
		vanillaExactMatch: fraction,
		majorityExactMatch: fraction,
		labels: z.strictObject({ "0": label, "1": label, "2": label }),
	}),
	lost: z.literal(0),
	doubled: z.literal(0),
});

async function dataIn(t: ExecutionContext, counts = { train: 240, val: 60, test: 80 }) {
	const folder = await temporaryFolder(t);
	const data = join(folder, "areas.npz");
	await writeFile(data, areasNpz(counts));
	return { folder, data };
}

test.serial(
	"the demo on several labels a sample learns each of them, attacks them and measures all three ways",
	async (t) => {
		const { folder, data } = await dataIn(t);
		const out = join(folder, "out");
		const run = await runCli(
			`demo --json --data ${data} --devices 3 --rounds 8 --batch-size 8 --attack-samples 80 --out ${out}`.split(" "),
		);
		t.is(run.exitCode, 0, run.stderr);
		const last = result.parse(run.events.at(-1));
		const { severalLabels: several } = last;
		t.true(last.auc.fused > 0.9, `AUC ${last.auc.fused}`);
		t.true(last.accuracy.fused > last.majority + 0.1, `${last.accuracy.fused}, majority ${last.majority}`);
		t.true(several.exactMatch.fused > several.majorityExactMatch + 0.1);
		const labels = Object.values(several.labels);
		const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
		t.true(Math.abs(mean(labels.map(({ accuracy }) => accuracy)) - last.accuracy.fused) < 1e-9);
		t.true(Math.abs(mean(labels.map(({ majority }) => majority)) - last.majority) < 1e-9);
		const marks = areas(80, 3).targets as Uint8Array;
		const share = marks.filter((mark, i) => i % 3 === 2 && mark === 1).length / 80;
		t.true(Math.abs(several.labels["2"].majority - (1 - share)) < 1e-9);
		// All test inputs are attacked, and no attack can make more of their labels right.
		const { evaluation } = JSON.parse(await readFile(join(out, "report.json"), "utf8")).psgl;
		t.is(evaluation.attackedSamples, 80);
		t.log(`fused ${last.accuracy.fused}, under attack ${JSON.stringify(last.attacked)}`);
		for (const attacked of Object.values(last.attacked)) t.true(attacked.fused <= last.accuracy.fused);
		t.true(last.attacked.jsma.fused < last.accuracy.fused);
		t.true(last.attacked.pgd8.fused <= last.attacked.pgd2.fused + 0.05);
		for (const name of ["model.psgl", "vanilla.psgl"]) {
			const { manifest } = await decodeArtifact(await readFile(join(out, name)));
			t.deepEqual(manifest.loss, { kind: "binary-cross-entropy" });
		}

		const model = join(out, "model.psgl");
		const inferred = await runCli(["infer", "--json", "--artifact", model, "--data", data, "--limit", "80"]);
		t.is(inferred.exitCode, 0, inferred.stderr);
		const decided = inferred.events.at(-1) as {
			readonly accuracy?: number;
			readonly exactMatch?: number;
			readonly decisions?: { labels: string[]; truth: string[]; scores: Record<string, number> }[];
		};
		t.true(Math.abs((decided.accuracy ?? 0) - last.accuracy.fused) < 1e-9, "as the demo has measured it");
		t.true(Math.abs((decided.exactMatch ?? 0) - several.exactMatch.fused) < 1e-9);
		for (const { labels: names, scores } of decided.decisions ?? []) {
			t.deepEqual(
				names,
				Object.keys(scores).filter((name) => (scores[name] ?? 0) > 0.5),
			);
		}
		const right = decided.decisions?.filter((d) => d.labels.join() === d.truth.join()).length ?? 0;
		t.is(decided.exactMatch, right / 80);
		const told = await runCli(["infer", "--artifact", model, "--data", data, "--limit", "3"]);
		t.regex(told.stdout, /^sample +labels that apply +likeliest +probability +in the data$/m);
	},
);

test.serial("for people: a line for exact matches, a table of the labels, and what guessing is worth", async (t) => {
	const { folder, data } = await dataIn(t, { train: 48, val: 16, test: 16 });
	const { exitCode, stdout, stderr } = await runCli(
		`demo --data ${data} --devices 2 --rounds 1 --attack-samples 0 --deal dirichlet:0.5 --out ${join(folder, "out")}`.split(
			" ",
		),
	);
	t.is(exitCode, 0, stderr);
	t.regex(stdout, /^ +all labels( +[\d.]+ %){5} +[+-][\d.]+$/m);
	t.regex(stdout, /^label +accuracy +majority +AUC +vanilla accuracy +vanilla AUC$/m);
	t.regex(stdout, /^2( +[\d.]+ %){5}$/m);
	t.regex(stdout, /^Several of 3 labels may apply to an input/m);
	t.regex(stderr, /round 1\/1: loss .*, AUC [\d.]+ %, accuracy [\d.]+ % \(balanced [\d.]+ %\), all labels right/);
});

test.serial("cloud, fleet and device train on several labels; replay gives the same weights", async (t) => {
	const { folder, data } = await dataIn(t, { train: 96, val: 24, test: 24 });
	const artifact = join(folder, "areas.psgl");
	const compiled = await runCli(
		`compile --json --zoo lenet --input 1x8x8 --classes top,bottom,left --loss binary-cross-entropy -o ${artifact}`.split(
			" ",
		),
	);
	t.is(compiled.exitCode, 0, compiled.stderr);
	t.like(compiled.events.at(-1), { type: "result", loss: { kind: "binary-cross-entropy" } });
	const others: Promise<CliResult>[] = [];
	let inferred: Promise<CliResult> | undefined;
	const cloud = await runCli(
		`cloud --json --artifact ${artifact} --state ${folder} --port 0 --rounds 2 --min-devices 3 --batch-size 8 --class-weights 1,1,3`.split(
			" ",
		),
		{
			onEvent: (event, child) => {
				if (event.type === "listening") {
					others.push(runCli(`fleet --json --url ${event.url} --devices 2 --data ${data}`.split(" ")));
					others.push(runCli(`device --json --url ${event.url} --id ward-3 --data ${data} --split 3/3`.split(" ")));
				}
				if (event.type === "serving") {
					inferred = runCli(["infer", "--json", "--url", event.url as string, "--data", data, "--limit", "4"]);
					inferred.finally(() => child.kill("SIGINT"));
				}
			},
		},
	);
	const [fleet, device] = await Promise.all(others);
	t.is(cloud.exitCode, 130, cloud.stderr);
	const trained = cloud.events.at(-1) as { readonly validation?: { readonly aucs: readonly number[] } };
	t.like(trained, { type: "result", rounds: 2, counts: { lost: 0, doubled: 0, refused: 0 } });
	t.is(trained.validation?.aucs.length, 3);
	t.is(fleet?.exitCode, 0, fleet?.stderr);
	const dealt = fleet?.events.find((event) => event.type === "dealt") as { readonly classCounts: number[] } | undefined;
	t.is(dealt?.classCounts.length, 3);
	t.is(device?.exitCode, 0, device?.stderr);
	const answer = (await inferred)?.events.at(-1) as
		| { readonly decisions: unknown[]; readonly source: string }
		| undefined;
	t.is(answer?.decisions.length, 4);
	t.is(answer?.source, "aggregator");
	const replayed = await runCli(["replay", "--json", "--artifact", artifact, "--state", folder]);
	t.is(replayed.exitCode, 0, replayed.stderr);
	t.like(replayed.events.at(-1), { type: "result", rounds: 2, bitIdentical: true });
});

test.serial("a loss that is not for the data's labels is refused", async (t) => {
	const { folder, data } = await dataIn(t, { train: 16, val: 8, test: 8 });
	const several = await runCli(`demo --data ${data} --loss focal --out ${join(folder, "a")}`.split(" "));
	t.is(several.exitCode, 2);
	t.regex(several.stderr, /PSGL_OPTION_CONFLICT.*several labels may apply.*--loss focal/s);
	const one = await runCli(`demo --samples 40 --loss binary-cross-entropy --out ${join(folder, "b")}`.split(" "));
	t.is(one.exitCode, 2);
	t.regex(one.stderr, /PSGL_OPTION_CONFLICT.*one class.*--loss binary-cross-entropy/s);
	const artifact = join(folder, "classes.psgl");
	await runCli(`compile --zoo lenet --input 1x8x8 --classes 3 -o ${artifact}`.split(" "));
	const infer = await runCli(["infer", "--artifact", artifact, "--data", data]);
	t.is(infer.exitCode, 7);
	t.regex(infer.stderr, /PSGL_INPUT_LABELS/);
});
