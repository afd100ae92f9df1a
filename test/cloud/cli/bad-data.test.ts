import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { npyBytes, npyText, npzBytes } from "../../helpers/write-npz.js";

const images = npyBytes("|u1", [20, 8, 8], new Uint8Array(1280));
const labels = npyBytes(
	"|u1",
	[20],
	Uint8Array.from({ length: 20 }, (_, i) => i % 2),
);
const whole = npzBytes({ train_images: images, train_labels: labels });

/** File name and content; the code and the text its error has to show. Data are read before anything connects. */
const files: readonly (readonly [string, Uint8Array, string, RegExp])[] = [
	["cut-off.npz", whole.subarray(0, whole.length / 2), "PSGL_NPZ_CORRUPT", /cut-off\.npz/],
	["text.npz", Buffer.from("no archive at all"), "PSGL_NPZ_CORRUPT", /text\.npz/],
	["no-labels.npz", npzBytes({ train_images: images }), "PSGL_DATA_MISSING_ARRAY", /train_labels/],
	[
		"wrong-type.npz",
		npzBytes({ train_images: npyBytes("<f8", [20, 8, 8], new Float64Array(1280)), train_labels: labels }),
		"PSGL_DATA_DTYPE",
		/float64[\s\S]*uint8/,
	],
	[
		"wrong-shape.npz",
		npzBytes({ train_images: npyBytes("|u1", [20, 64], new Uint8Array(1280)), train_labels: labels }),
		"PSGL_DATA_SHAPE",
		/\[20,64\]/,
	],
	[
		"gap.npz",
		npzBytes({ train_images: images, train_labels: npyBytes("|u1", [20], new Uint8Array(20).fill(7, 10)) }),
		"PSGL_DATA_LABELS",
		/Number the classes from 0/,
	],
	[
		"pickled.npz",
		npzBytes({ train_images: npyBytes("|O", [20], new Uint8Array(20)), train_labels: labels }),
		"PSGL_NPY_PICKLED",
		/pickled/,
	],
	["note.txt", Buffer.from("hello"), "PSGL_DATA_UNKNOWN_FORMAT", /note\.txt/],
	[
		"named.npz",
		npzBytes({ train_images: npyText("pictures"), train_labels: labels }),
		"PSGL_DATA_DTYPE",
		/train_images/,
	],
];

for (const [name, content, code, text] of files) {
	test.serial(`${name} ends with 3 and ${code}`, async (t) => {
		const path = join(await temporaryFolder(t), name);
		await writeFile(path, content);
		const { exitCode, stderr, stdout } = await runCli(["fleet", "--data", path]);
		t.is(exitCode, 3, stderr);
		t.is(stdout, "");
		t.true(stderr.includes(`psgl: ${code}: `), stderr);
		t.regex(stderr, text);
	});
}

test.serial("a path that is not there ends with 3 and says so, with --json as an event too", async (t) => {
	const { exitCode, stderr, events } = await runCli(["fleet", "--json", "--data", "nowhere.npz"]);
	t.is(exitCode, 3);
	t.regex(stderr, /PSGL_DATA_NOT_FOUND[\s\S]*what to do: +Check the path/);
	t.like(events.at(-1), { type: "error", code: "PSGL_DATA_NOT_FOUND" });
});

test.serial("a picture that cannot be decoded is named and skipped, with --strict refused", async (t) => {
	const folder = await temporaryFolder(t);
	for (const name of ["a", "b"]) {
		await mkdir(join(folder, name));
		await writeFile(join(folder, name, "broken.png"), "no picture");
	}
	const strict = await runCli(["fleet", "--strict", "--data", folder]);
	t.is(strict.exitCode, 3);
	t.regex(strict.stderr, /PSGL_IMAGE_UNDECODABLE: .*broken\.png cannot be decoded/);
	const lenient = await runCli(["fleet", "--json", "--data", folder]);
	t.is(lenient.exitCode, 3, "nothing is left");
	t.true(lenient.events.some((e) => e.type === "warning" && e.code === "PSGL_IMAGE_UNDECODABLE"));
});

test.serial("more devices than samples end with 2", async (t) => {
	const { exitCode, stderr } = await runCli(["fleet", "--samples", "10", "--devices", "11"]);
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_DEAL_DEVICES/);
});

test.serial("a deal by patient needs patients", async (t) => {
	const { exitCode, stderr } = await runCli(["fleet", "--samples", "20", "--deal", "patient"]);
	t.is(exitCode, 3);
	t.regex(stderr, /PSGL_DEAL_NO_RECORDS/);
});

test.serial("a deal that is none is refused", async (t) => {
	const { exitCode, stderr } = await runCli(["fleet", "--deal", "dirichlet"]);
	t.is(exitCode, 2);
	t.regex(stderr, /--deal cannot be used/);
});
