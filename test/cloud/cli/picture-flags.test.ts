import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { decodeImage, type PictureOptions } from "@psgl/sdk/sources";
import test from "ava";
import { startCloud } from "../../helpers/cloud.js";
import { runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { pngBytes } from "../../helpers/write-png.js";

const size = 16;
const [width, height] = [40, 20];
const flags = ["--crop", "4,2,32,16", "--levels", "2000.5,1500", "--fit", "fill"];
const meant: PictureOptions = {
	crop: { left: 4, top: 2, width: 32, height: 16 },
	window: { centre: 2000.5, width: 1500 },
	fit: "fill",
};

test("--crop, --levels, --fit and --classes of psgl device: the samples are those of pictures that were cut, windowed and stretched before", async (t) => {
	const folder = await temporaryFolder(t);
	const [own, prepared] = [join(folder, "own"), join(folder, "prepared")];
	for (let i = 0; i < 24; i++) {
		const deep = Uint16Array.from({ length: width * height }, (_, p) => 1000 + (i % 2) * 500 + ((p * (i + 3)) % 2500));
		const name = join(i % 2 === 0 ? "dark" : "bright", `${String(i).padStart(2, "0")}.png`);
		for (const place of [own, prepared]) await mkdir(dirname(join(place, name)), { recursive: true });
		await writeFile(join(own, name), pngBytes(width, height, 1, deep));
		const sample = await decodeImage(join(own, name), size, 1, meant);
		await writeFile(join(prepared, name), pngBytes(size, size, 1, sample));
	}
	const definition = presetDefinition("none", zooNetwork("lenet"), [1, size, size], ["dark", "unsure", "bright"]);
	const artifact = await compileArtifact(definition, { name: "flags", random: seededRandom(1) });
	/** Losses of each step, which tell every sample. */
	const losses = async (data: string, more: readonly string[]) => {
		await using cloud = await startCloud(artifact, { rounds: 1, batchSize: 8 });
		const device = [
			"device",
			"--url",
			cloud.url,
			"--id",
			"ward-3",
			"--image-size",
			`${size}`,
			"--json",
			"--data",
			data,
			"--classes",
			"dark,unsure,bright",
		];
		const { exitCode, stderr, events } = await runCli([...device, ...more]);
		t.is(exitCode, 0, stderr);
		return events.filter(({ type }) => type === "step").map((step) => [step.losses, step.localLoss]);
	};
	const wanted = await losses(prepared, []);
	t.true(wanted.length >= 2);
	t.deepEqual(await losses(own, flags), wanted);
	t.notDeepEqual(await losses(own, flags.slice(0, 4)), wanted);
});

test("--classes name at least two", async (t) => {
	const { exitCode, stderr } = await runCli(["device", "--id", "ward-3", "--data", "nowhere", "--classes", "one"]);
	t.is(exitCode, 2);
	t.regex(stderr, /at least two names/);
});

for (const [flag, value, expected] of [
	["--crop", "1,2,3", /left,top,width,height in pixels/],
	["--crop", "0,0,0,16", /left,top,width,height in pixels/],
	["--levels", "40", /centre,width in the file's levels/],
	["--fit", "stretch", /contain|cover|fill/],
] as const) {
	test(`${flag} ${value} is refused before anything is read`, async (t) => {
		const { exitCode, stderr } = await runCli(["device", "--id", "ward-3", "--data", "nowhere", flag, value]);
		t.is(exitCode, 2);
		t.regex(stderr, /PSGL_OPTION/);
		t.regex(stderr, expected);
	});
}
