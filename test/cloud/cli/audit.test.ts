import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AuditFiles } from "@psgl/cloud";
import { encodeArtifact } from "@psgl/sdk/artifact";
import test from "ava";
import { runCli } from "../../helpers/run-cli.js";
import { smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { npyBytes, npzBytes } from "../../helpers/write-npz.js";

/** A small artifact of the paper's method and a data set of spots [8,8] for it. */
async function files(t: Parameters<typeof temporaryFolder>[0]) {
	const folder = await temporaryFolder(t);
	const artifact = join(folder, "model.psgl");
	const { joint } = await smallModel("paper");
	const { members: _, ...draft } = joint.manifest;
	await writeFile(artifact, await encodeArtifact(draft, joint.graphs, joint.tensors));
	const data = join(folder, "spots.npz");
	await writeFile(data, spots(8));
	return { folder, artifact, data, report: join(folder, "report.html") };
}

function spots(side: number): Uint8Array {
	const part = (count: number, salt: number) => {
		const images = new Uint8Array(count * side * side);
		for (let n = 0; n < count; n++) {
			const [x, y] = [(n * 5 + salt) % side, (n * 3 + Math.floor(n / side)) % side];
			for (let i = 0; i < side * side; i++) {
				const distance = ((i % side) - x) ** 2 + (Math.floor(i / side) - y) ** 2;
				images[n * side * side + i] = 60 * (n % 2) + 150 * Math.exp(-distance / 6) + ((n + salt) % 40);
			}
		}
		const labels = Uint8Array.from({ length: count }, (_, n) => n % 2);
		return { images: npyBytes("|u1", [count, side, side], images), labels: npyBytes("|u1", [count, 1], labels) };
	};
	const [train, test] = [part(90, 0), part(30, 1)];
	return npzBytes({
		train_images: train.images,
		train_labels: train.labels,
		test_images: test.images,
		test_labels: test.labels,
	});
}

const attacks = "kernel-ridge,linkage,distance-correlation";

test.serial(
	"the report holds all it shows, the record the same figures as the last line, and limits set the exit code",
	async (t) => {
		const { folder, artifact, data, report } = await files(t);
		const args = ["audit", artifact, "--data", data, "--attacks", attacks, "-o", report, "--json"];
		const { exitCode, events, stderr } = await runCli([...args, "--fail-above", "leak=-5,leakBeyondLabel=1000"]);
		t.is(exitCode, 10, stderr);
		const finished = events.filter(({ type }) => type === "attack").map(({ name }) => name);
		t.deepEqual(finished, attacks.split(","));
		const result = events.at(-1) as Record<string, unknown>;
		t.like(result, { type: "result", complete: true, similarity: "ssim" });
		t.like((result.exceeded as unknown[])[0] as object, { name: "leak", limit: -5 });
		t.is((result.exceeded as unknown[]).length, 1);
		const record = JSON.parse(await readFile(join(folder, "audit.json"), "utf8")) as Record<string, unknown>;
		t.is(record.leak, result.leak);
		t.deepEqual(record.reconstructions, result.reconstructions);
		const { privacy } = record.origin as { privacy: string };
		t.regex(privacy, /^paper: real numbers at the cut, sent every epoch, map 0\.5, recovery svt$/);
		t.like(record.origin as object, { seed: 1, budget: "quick", attacks: attacks.split(",") });
		const shown = new AuditFiles(folder);
		t.is((await shown.figures())?.content.leak, result.leak as number, "the operations page reads it");
		const pictures = (await shown.pictures())?.content;
		t.is(pictures?.sha256, (record.origin as { artifact: { sha256: string } }).artifact.sha256);
		t.deepEqual(
			pictures?.rows.map(({ kind, samples }) => `${kind} ${samples.length}`),
			["original 8", "smashed 8", "rebuilt 8", "undefended 8"],
		);
		const html = await readFile(report, "utf8");
		const images = [...html.matchAll(/<img [^>]*src="([^"]*)"/g)].map(([, source]) => source as string);
		t.is(images.length, 4 * 8, "originals, what leaves, and one attack on both networks");
		t.true(images.every((source) => source.startsWith("data:image/png;base64,")));
		t.notRegex(html, /(https?:)?\/\/[a-z]|<script|<link|url\(/i, "nothing is fetched");
		t.true(html.includes(`Privacy mode <b>${privacy}</b>`), "the headline says which mode");
		t.true(html.includes((result.leak as number).toFixed(2)));
		t.regex(html, /Who attacks[\s\S]*kernel-ridge decoder/);
	},
);

test.serial("limits that hold, and a person's table", async (t) => {
	const { folder, artifact, data, report } = await files(t);
	const rounds = join(folder, "rounds");
	await mkdir(rounds);
	for (const name of ["round-00000.psgl", "round-00001.psgl"]) await copyFile(artifact, join(rounds, name));
	const args = ["audit", artifact, "--data", data, "--attacks", "kernel-ridge,path", "--earlier", rounds, "-o", report];
	const { exitCode, stdout, stderr } = await runCli([...args, "--fail-above", "leak=1000"]);
	t.is(exitCode, 0, stderr);
	t.regex(stdout, /path +-?[01]\.\d{3}/);
	t.regex(stdout, /mean sample +0\.\d{3}.*anchor/);
	t.regex(stdout, /kernel-ridge +-?[01]\.\d{3} +-?[01]\.\d{3}/);
	t.regex(stdout, /leak -?\d+\.\d\d, leakBeyondLabel/);
});

test.serial("Ctrl-C writes what is finished", async (t) => {
	const { folder, artifact, data, report } = await files(t);
	const args = ["audit", artifact, "--data", data, "--attacks", "linkage,decoder", "--budget", "thorough"];
	const { exitCode, events } = await runCli([...args, "-o", report, "--json"], {
		onEvent: (event, child) => {
			if (event.type === "attack") child.kill("SIGINT");
		},
	});
	t.is(exitCode, 130);
	t.like(events.at(-1), { type: "result", complete: false });
	const record = JSON.parse(await readFile(join(folder, "audit.json"), "utf8")) as { inferences: { name: string }[] };
	t.deepEqual(
		record.inferences.map(({ name }) => name),
		["linkage"],
	);
	t.regex(await readFile(report, "utf8"), /Interrupted/);
});

test.serial("names that are no headline or attack, and data of another shape, are refused", async (t) => {
	const { folder, artifact, data } = await files(t);
	const refused = async (args: readonly string[], exitCode: number, code: RegExp) => {
		const done = await runCli(["audit", artifact, ...args]);
		t.is(done.exitCode, exitCode, done.stderr);
		t.regex(done.stderr, code);
	};
	await refused(["--data", data, "--fail-above", "shape=1"], 2, /PSGL_OPTION[\s\S]*leak or leakBeyondLabel/);
	await refused(["--data", data, "--fail-above", "leak"], 2, /PSGL_OPTION/);
	await refused(["--data", data, "--attacks", "path"], 2, /PSGL_OPTION_CONFLICT/);
	await refused(["--data", data, "--attacks", "magic"], 2, /PSGL_OPTION[\s\S]*kernel-ridge/);
	const other = join(folder, "other.npz");
	await writeFile(other, spots(12));
	await refused(["--data", other], 7, /PSGL_INPUT_SHAPE/);
	await refused(["--data", data, "--attacker-data", data], 3, /PSGL_AUDIT_OVERLAP/);
});
