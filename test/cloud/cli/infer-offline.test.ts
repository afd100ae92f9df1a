import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clientHalf } from "@psgl/models";
import { decodeArtifact } from "@psgl/sdk/artifact";
import test from "ava";
import { runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { dicomBytes } from "../../helpers/write-dicom.js";
import { npyBytes, npzBytes } from "../../helpers/write-npz.js";
import { pngBytes } from "../../helpers/write-png.js";

async function files(t: Parameters<typeof temporaryFolder>[0]) {
	const folder = await temporaryFolder(t);
	const joint = join(folder, "joint.psgl");
	await runCli(`compile --zoo lenet --input 1x16x16 --classes left,right -o ${joint}`.split(" "));
	const client = join(folder, "client.psgl");
	await writeFile(client, await clientHalf(await decodeArtifact(await readFile(joint))));
	const values = Uint8Array.from({ length: 512 }, (_, i) => (i * 7) % 256);
	const picture = join(folder, "picture.png");
	await writeFile(picture, pngBytes(16, 16, 1, values.subarray(0, 256)));
	const array = join(folder, "samples.npz");
	await writeFile(array, npzBytes({ samples: npyBytes("|u1", [2, 16, 16], values) }));
	// Both frames use every level, so that nothing is stretched.
	const scan = join(folder, "scan.dcm");
	const eight = [0x00280100, 0x00280101].map((tag) => [tag, "US", 8] as const);
	const sides = [0x00280010, 0x00280011].map((tag) => [tag, "US", 16] as const);
	const elements = [...eight, ...sides, [0x00280102, "US", 7] as const, [0x00280008, "IS", "2"] as const];
	await writeFile(scan, dicomBytes({ pixels: values, elements }));
	return { folder, joint, client, picture, array, scan };
}

interface Decided {
	readonly class: string;
	readonly probability: number;
	readonly scores: Readonly<Record<string, number>>;
}

test.serial(
	"a picture, a DICOM file and the same pixels in an npz file get the same decision from both halves",
	async (t) => {
		const { joint, picture, array, scan } = await files(t);
		const frames = await runCli(["infer", "--artifact", joint, "--input", scan, "--json"]);
		const one = await runCli(["infer", "--artifact", joint, "--input", picture, "--json"]);
		const two = await runCli(["infer", "--artifact", joint, "--input", array, "--json"]);
		t.is(one.exitCode, 0, one.stderr);
		t.like(one.events.at(-1), { type: "result", source: "artifact", model: 0 });
		const [first] = (one.events.at(-1)?.decisions ?? []) as Decided[];
		const second = (two.events.at(-1)?.decisions ?? []) as Decided[];
		t.is(second.length, 2);
		t.deepEqual(second[0], first);
		const scanned = (frames.events.at(-1)?.decisions ?? []) as Decided[];
		t.is(scanned.length, 2, frames.stderr);
		for (const [i, decision] of scanned.entries()) {
			const wanted = second[i] as Decided;
			t.is(decision.class, wanted.class);
			t.true(Math.abs(decision.probability - wanted.probability) < 1e-5);
		}
		t.is(
			Object.values(first?.scores ?? {})
				.reduce((a, b) => a + b, 0)
				.toFixed(5),
			"1.00000",
		);
		t.is(first?.probability, Math.max(...Object.values(first?.scores ?? {})));
	},
);

test.serial("of a client half the local head answers, and says so", async (t) => {
	const { client, picture } = await files(t);
	const { exitCode, stdout } = await runCli(["infer", "--artifact", client, "--input", picture]);
	t.is(exitCode, 0);
	t.regex(stdout, /0 +(left|right) +\d+\.\d %/);
	t.regex(stdout, /Decided by the local head alone/);
});

test.serial("the labels of a data set are counted", async (t) => {
	const { folder, joint } = await files(t);
	const data = join(folder, "set");
	for (const [name, value] of [
		["left", 40],
		["right", 200],
	] as const) {
		await mkdir(join(data, "test", name), { recursive: true });
		await mkdir(join(data, "train", name), { recursive: true });
		for (let i = 0; i < 4; i++) {
			const picture = pngBytes(16, 16, 1, new Uint8Array(256).fill(value + i));
			await writeFile(join(data, "train", name, `${i}.png`), picture);
			await writeFile(join(data, "test", name, `${i}.png`), picture);
		}
	}
	const { exitCode, events, stderr } = await runCli(["infer", "--artifact", joint, "--data", data, "--json"]);
	t.is(exitCode, 0, stderr);
	const decisions = events.at(-1)?.decisions as { class: string; label: string }[];
	t.is(decisions.length, 8);
	t.is(events.at(-1)?.accuracy, decisions.filter((d) => d.class === d.label).length / 8);
});

test.serial("what does not fit is refused with the code of its kind", async (t) => {
	const { folder, joint, client, picture } = await files(t);
	const wide = join(folder, "wide.npz");
	await writeFile(wide, npzBytes({ samples: npyBytes("|u1", [1, 16, 17], new Uint8Array(272)) }));
	const damaged = join(folder, "damaged.psgl");
	const bytes = await readFile(client);
	await writeFile(damaged, bytes.subarray(0, bytes.length - 100));
	const cases: readonly (readonly [string[], number, RegExp])[] = [
		[["--artifact", joint, "--input", wide], 7, /PSGL_INPUT_SHAPE[\s\S]*\[1,16,17\][\s\S]*\[1,16,16\]/],
		[["--artifact", joint, "--input", joint], 3, /PSGL_IMAGE_UNDECODABLE/],
		[["--artifact", damaged, "--input", picture], 4, /PSGL_ARTIFACT_FORMAT/],
		[["--artifact", join(folder, "none.psgl"), "--input", picture], 4, /PSGL_ARTIFACT_UNREADABLE/],
		[["--artifact", joint], 2, /PSGL_OPTION_CONFLICT/],
		[["--artifact", joint, "--input", picture, "--data", folder], 2, /PSGL_OPTION_CONFLICT/],
	];
	for (const [args, code, message] of cases) {
		const { exitCode, stderr } = await runCli(["infer", ...args]);
		t.is(exitCode, code, stderr);
		t.regex(stderr, message);
	}
});

test.serial("infer gives up on a broker that does not answer", async (t) => {
	const { picture } = await files(t);
	const { exitCode, stderr } = await runCli(
		`infer --url mqtt://127.0.0.1:1 --timeout 0.5 --input ${picture}`.split(" "),
	);
	t.is(exitCode, 5);
	t.regex(stderr, /PSGL_BROKER_UNREACHABLE/);
});
