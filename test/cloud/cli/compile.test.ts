import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeArtifact } from "@psgl/sdk/artifact";
import test from "ava";
import { runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

test.serial("compile writes an artifact that opens and holds what its summary says", async (t) => {
	const file = join(await temporaryFolder(t), "chest.psgl");
	const { exitCode, events } = await runCli(
		`compile --zoo lenet --input 1x28x28 --classes normal,opacity --json -o ${file}`.split(" "),
	);
	t.is(exitCode, 0);
	const { manifest, graphs } = await decodeArtifact(await readFile(file));
	t.deepEqual(manifest.classes, ["normal", "opacity"]);
	t.is(manifest.part, "joint");
	t.like(events.at(-1), {
		type: "result",
		output: file,
		inputShape: [1, 28, 28],
		smashedShape: manifest.smashedShape,
		parameters: {
			client: manifest.client.paramCount,
			head: manifest.head.paramCount,
			server: manifest.server?.paramCount ?? 0,
		},
	});
	const values = manifest.smashedShape.reduce((a, b) => a * b, 1);
	t.like(events.at(-1), { bytesUpPerSample: { float32: 4 * values, float16: 2 * values, int8: values } });
	t.deepEqual(Object.keys(events.at(-1)?.graphs as object).sort(), [...graphs.keys()].sort());
});

test.serial("compile removes what a killed one left, and nothing of one that runs or of another file", async (t) => {
	const folder = await temporaryFolder(t);
	const gone = spawn(process.execPath, ["--eval", "0"]);
	await once(gone, "exit");
	const others = [`model.psgl.${process.pid}.part`, `model.${gone.pid}.part`, "model.psgl.old.part"];
	for (const name of [`model.psgl.${gone.pid}.part`, ...others]) await writeFile(join(folder, name), "half");
	const args = `compile --zoo lenet --input 1x16x16 --classes 2 -o ${join(folder, "model.psgl")}`;
	const { exitCode } = await runCli(args.split(" "));
	t.is(exitCode, 0);
	t.deepEqual((await readdir(folder)).sort(), ["model.psgl", ...others].sort());
});

test.serial("an artifact that cannot be written whole leaves nothing behind", async (t) => {
	const folder = await temporaryFolder(t);
	// A folder of that name: the artifact is written beside it and cannot take its place.
	await mkdir(join(folder, "taken.psgl"));
	const args = `compile --zoo lenet --input 1x16x16 --classes 2 -o ${join(folder, "taken.psgl")}`;
	const { exitCode, stderr } = await runCli(args.split(" "));
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_OUTPUT_UNWRITABLE/);
	t.deepEqual(await readdir(folder), ["taken.psgl"]);
});

test.serial("compile prints a table for people", async (t) => {
	const file = join(await temporaryFolder(t), "ecg.psgl");
	const { exitCode, stdout } = await runCli(
		`compile --zoo ecg-1d --input 1x128 --classes 5 --privacy paper -o ${file}`.split(" "),
	);
	t.is(exitCode, 0);
	t.regex(stdout, /parameters on the device +[\d,]+/);
	t.regex(stdout, /up per sample, float32 +[\d.]+ kB/);
	t.regex(stdout, /recovery +svt/);
});

test.serial("single settings change a mode", async (t) => {
	const file = join(await temporaryFolder(t), "model.psgl");
	const { exitCode } = await runCli(
		`compile --zoo lenet --input 1x16x16 --classes 2 --map-budget 0.25 --robust-budget 0 --recovery svt --svt-threshold 0.1 -o ${file}`.split(
			" ",
		),
	);
	t.is(exitCode, 0);
	const { manifest } = await decodeArtifact(await readFile(file));
	t.is(manifest.map?.budget, 0.25);
	t.is(manifest.robustBudget, 0);
	t.deepEqual(manifest.recovery, { kind: "svt", part: "low-rank", threshold: 0.1, absolute: false });
});

test.serial(
	"the shield: a code of so many numbers and bits, sent once, within a budget of its bits and the label's",
	async (t) => {
		const file = join(await temporaryFolder(t), "hidden.psgl");
		const args = `compile --zoo lenet --input 3x16x16 --classes 4 --privacy shield --code-numbers 3 --code-bits 2 -o ${file}`;
		const { exitCode, stdout } = await runCli(args.split(" "));
		t.is(exitCode, 0);
		t.regex(stdout, /up per sample, once +6 bits\s+all, with its label +8\.0 bits at most/);
		const { manifest, graphs } = await decodeArtifact(await readFile(file));
		t.deepEqual(manifest.code, { numbers: 3, bits: 2 });
		t.deepEqual(manifest.disclosure, { release: "once", budgetBits: 8 });
		for (const name of ["client/local", "client/code", "wire/decode.code"]) t.true(graphs.has(name), name);
	},
);

test.serial("a code may be refreshed and randomised, within a budget of all its codings", async (t) => {
	const file = join(await temporaryFolder(t), "hidden.psgl");
	const args = `compile --zoo lenet --input 1x16x16 --classes 2 --privacy shield --refreshes 3 --code-epsilon 2.5 -o ${file}`;
	const { exitCode, stdout } = await runCli(args.split(" "));
	t.is(exitCode, 0);
	t.regex(
		stdout,
		/up per sample, 3 times +4 bits\s+randomised, epsilon of each +2\.5\s+all, with its label +13\.0 bits/,
	);
	const { manifest } = await decodeArtifact(await readFile(file));
	const randomisedResponse = { epsilon: 2.5 };
	t.deepEqual(manifest.disclosure, { release: "refresh", refreshes: 3, budgetBits: 13, randomisedResponse });
});

test.serial("custom is what single settings make: the shield's with one of a code, else those of robust", async (t) => {
	const folder = await temporaryFolder(t);
	const compiled = async (options: string) => {
		const file = join(folder, "own.psgl");
		const args = `compile --zoo lenet --input 1x16x16 --classes 2 ${options} -o ${file}`;
		const result = await runCli(args.split(/ +/));
		const { manifest } = await decodeArtifact(await readFile(file));
		return { ...result, manifest };
	};
	const coded = await compiled("--privacy custom --code-numbers 2 --code-bits 3 --robust-budget 0.01");
	t.is(coded.exitCode, 0, coded.stderr);
	t.like(coded.manifest, { privacy: "custom", code: { numbers: 2, bits: 3 }, robustBudget: 0.01, map: null });
	t.regex(coded.stdout, /privacy +custom: a code of 2 x 3 bits, sent once, at most 7\.0 bits of a record, robust/);
	const mapped = await compiled("--privacy custom --map-budget 0.2");
	t.like(mapped.manifest, { privacy: "custom", code: null, recovery: { kind: "masked" } });
	t.is(mapped.manifest.map?.budget, 0.2);
	t.is((await compiled("--privacy paper --map-budget 0.2")).manifest.privacy, "custom", "no longer the paper's");
	t.is((await compiled("--privacy shield")).manifest.privacy, "shield");
	t.is((await compiled("")).manifest.privacy, "robust");
	const mixed = await runCli(
		"compile --zoo lenet --input 1x16x16 --classes 2 --privacy custom --code-bits 2 --map-budget 0.2 -o x.psgl".split(
			" ",
		),
		{ cwd: folder },
	);
	t.is(mixed.exitCode, 2);
	t.regex(mixed.stderr, /PSGL_OPTION_CONFLICT[\s\S]*a code has no map/);
});

test.serial("labels may be randomised, with a code too, but not where several apply", async (t) => {
	const file = join(await temporaryFolder(t), "own.psgl");
	const compiled = (options: string) =>
		runCli(`compile --zoo lenet --input 1x16x16 --classes 2 --label-epsilon 1.5 ${options} -o ${file}`.split(" "));
	const { exitCode, stdout } = await compiled("--privacy shield");
	t.is(exitCode, 0);
	t.regex(stdout, /privacy +custom: a code of 1 x 4 bits, sent once, .*labels randomised with epsilon 1\.5/);
	const { manifest } = await decodeArtifact(await readFile(file));
	t.deepEqual(manifest.disclosure, { release: "once", budgetBits: 5, randomisedLabels: { epsilon: 1.5 } });
	const several = await compiled("--loss binary-cross-entropy");
	t.is(several.exitCode, 2);
	t.regex(several.stderr, /PSGL_OPTION_CONFLICT[\s\S]*one class/);
});

test.serial("labels may stay on the device, with the last layer", async (t) => {
	const file = join(await temporaryFolder(t), "tail.psgl");
	const { exitCode, stdout } = await runCli(
		`compile --zoo lenet --input 1x16x16 --classes 2 --labels device -o ${file}`.split(" "),
	);
	t.is(exitCode, 0);
	t.regex(stdout, /labels +stay on the device/);
	const { manifest, graphs } = await decodeArtifact(await readFile(file));
	t.deepEqual(manifest.tail, { features: 32 });
	for (const name of ["client/tail", "client/decide", "server/features"]) t.true(graphs.has(name), name);
});

test.serial("a seed gives the same artifact byte for byte, another one other weights", async (t) => {
	const folder = await temporaryFolder(t);
	const compile = async (name: string, seed: number): Promise<Buffer> => {
		const file = join(folder, `${name}.psgl`);
		await runCli(`compile --zoo lenet --input 1x16x16 --classes 2 --seed ${seed} -o ${file}`.split(" "));
		return readFile(file);
	};
	const first = await compile("a", 1);
	t.deepEqual(await compile("b", 1), first);
	t.notDeepEqual(await compile("c", 2), first);
});

const refused: readonly (readonly [string, string, RegExp])[] = [
	["an unknown zoo model", "--zoo vgg --input 1x28x28 --classes 2 -o x.psgl", /PSGL_ZOO_UNKNOWN[\s\S]*lenet/],
	["a shape that is none", "--zoo lenet --input 28 --classes 2 -o x.psgl", /PSGL_OPTION: --input/],
	["a signal for a picture network", "--zoo lenet --input 1x128 --classes 2 -o x.psgl", /PSGL_MODEL_INPUT/],
	["one class", "--zoo lenet --input 1x28x28 --classes 1 -o x.psgl", /PSGL_OPTION: --classes/],
	["an output without .psgl", "--zoo lenet --input 1x28x28 --classes 2 -o x.onnx", /PSGL_OPTION: --output/],
	[
		"a map for vanilla split learning",
		"--zoo lenet --input 1x28x28 --classes 2 --privacy none --map-budget 0.5 -o x.psgl",
		/PSGL_OPTION_CONFLICT/,
	],
	[
		"a code without the shield",
		"--zoo lenet --input 1x28x28 --classes 2 --code-bits 2 -o x.psgl",
		/PSGL_OPTION_CONFLICT[\s\S]*only the shield has a code/,
	],
	[
		"refreshes without the shield",
		"--zoo lenet --input 1x28x28 --classes 2 --refreshes 2 -o x.psgl",
		/PSGL_OPTION_CONFLICT[\s\S]*only the shield has a code/,
	],
	[
		"labels on the device with the shield",
		"--zoo lenet --input 1x28x28 --classes 2 --privacy shield --labels device -o x.psgl",
		/PSGL_MODEL_TAIL/,
	],
	[
		"a map on a code",
		"--zoo lenet --input 1x28x28 --classes 2 --privacy shield --map-budget 0.5 -o x.psgl",
		/PSGL_OPTION_CONFLICT/,
	],
	[
		"an output folder that is not there",
		"--zoo lenet --input 1x16x16 --classes 2 -o nowhere/at/all/x.psgl",
		/PSGL_OUTPUT_UNWRITABLE/,
	],
];

for (const [name, args, message] of refused) {
	test.serial(`compile refuses ${name}`, async (t) => {
		const { exitCode, stderr } = await runCli(["compile", ...args.split(" ")]);
		t.is(exitCode, 2);
		t.regex(stderr, message);
	});
}

test.serial("loss, optimiser, clipping, accumulation and frozen parameters are built in", async (t) => {
	const file = join(await temporaryFolder(t), "model.psgl");
	const learning =
		"--loss focal --focal-gamma 1.5 --optimiser nesterov --weight-decay 0.01 --clip-norm 2 --accumulate 4 --freeze client.*,head.bias";
	const { exitCode } = await runCli(
		`compile --zoo lenet --input 1x16x16 --classes 2 --privacy none ${learning} -o ${file}`.split(" "),
	);
	t.is(exitCode, 0);
	const { manifest } = await decodeArtifact(await readFile(file));
	t.like(manifest, {
		loss: { kind: "focal", gamma: 1.5 },
		optimiser: { kind: "sgd", learningRate: 0.001, momentum: 0.9, weightDecay: 0.01, nesterov: true },
		gradientClipping: { kind: "norm", limit: 2 },
		accumulationSteps: 4,
		frozen: ["client.*", "head.bias"],
	});
	t.is(manifest.client.trainedCount, 0);
});

test.serial("a gradient cannot be clipped both ways", async (t) => {
	const { exitCode, stderr } = await runCli(
		"compile --zoo lenet --input 1x16x16 --classes 2 --clip-norm 1 --clip-value 1 -o never.psgl".split(" "),
	);
	t.not(exitCode, 0);
	t.regex(stderr, /PSGL_OPTION_CONFLICT/);
});

test.serial("a frozen name that does not exist leaves no file behind", async (t) => {
	const file = join(await temporaryFolder(t), "model.psgl");
	const { exitCode, stderr } = await runCli(
		`compile --zoo lenet --input 1x16x16 --classes 2 --freeze client.nothing -o ${file}`.split(" "),
	);
	t.not(exitCode, 0);
	t.regex(stderr, /client\.nothing/);
	await t.throwsAsync(readFile(file), { code: "ENOENT" });
});
