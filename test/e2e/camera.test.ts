import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { withPrograms } from "../helpers/outside-program.js";
import { projectFolder } from "../helpers/run-cli.js";

/** Runs the example with a program in place of the camera. */
async function decide(url: string, program: readonly string[]) {
	const example = spawn(process.execPath, [join(projectFolder, "examples/camera.js"), url, "ward-3", ...program], {
		stdio: ["ignore", "pipe", "pipe"],
	});
	const [output, errors, [exitCode]] = await Promise.all([
		text(example.stdout),
		text(example.stderr),
		once(example, "close") as Promise<[number]>,
	]);
	const lines = output.split("\n").filter((line) => line !== "");
	const decisions = lines.map((line) => JSON.parse(line) as { frame: number; class: string; source: string });
	return { decisions, errors, exitCode };
}

async function cameraCloud() {
	const definition = presetDefinition("none", zooNetwork("lenet"), [1, 28, 28], ["dark", "bright"]);
	const artifact = await compileArtifact(definition, { name: "camera", random: seededRandom(1) });
	return startCloud(artifact, { rounds: 1, batchSize: 2 });
}

withPrograms("ffmpeg")("examples/camera.js decides on the frames of an ffmpeg pipe", async (t) => {
	await using cloud = await cameraCloud();
	const source = "ffmpeg -loglevel error -f lavfi -i testsrc=duration=1:rate=5:size=64x48 -vf scale=28:28".split(" ");
	const { decisions, errors, exitCode } = await decide(cloud.url, [
		...source,
		..."-f rawvideo -pix_fmt gray -".split(" "),
	]);
	t.is(exitCode, 0, errors);
	t.is(errors, "");
	t.deepEqual(
		decisions.map(({ frame, source }) => [frame, source]),
		[0, 1, 2, 3, 4].map((frame) => [frame, "aggregator"]),
	);
});

test("examples/camera.js decides on the frames that a program writes, and ends when the program is cut off", async (t) => {
	await using cloud = await cameraCloud();
	// Three whole frames and a half, as a camera that is unplugged leaves them.
	const camera = `process.stdout.write(Buffer.alloc(${3.5 * 28 * 28}, 120))`;
	const { decisions, errors, exitCode } = await decide(cloud.url, [process.execPath, "-e", camera]);
	t.is(exitCode, 0, errors);
	t.deepEqual(
		decisions.map(({ frame }) => frame),
		[0, 1, 2],
	);
	for (const each of decisions) t.true(each.source === "aggregator" && ["dark", "bright"].includes(each.class));
	t.regex(errors, /ended inside one; got 392 bytes/);
});

test("examples/camera.js ends with 1, and says why, when its program is not there or fails", async (t) => {
	await using cloud = await cameraCloud();
	const missing = await decide(cloud.url, ["no-such-program"]);
	t.is(missing.exitCode, 1);
	t.regex(missing.errors, /ENOENT/);
	const failing = await decide(cloud.url, [process.execPath, "-e", "process.exit(3)"]);
	t.is(failing.exitCode, 1);
	t.regex(failing.errors, /ended: 3/);
});
