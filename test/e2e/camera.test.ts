import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { projectFolder } from "../helpers/run-cli.js";

test("examples/camera.js decides on the frames that a program writes, and ends when the program is cut off", async (t) => {
	const definition = presetDefinition("none", zooNetwork("lenet"), [1, 28, 28], ["dark", "bright"]);
	const artifact = await compileArtifact(definition, { name: "camera", random: seededRandom(1) });
	await using cloud = await startCloud(artifact, { rounds: 1, batchSize: 2 });
	// Three whole frames and a half, as a camera that is unplugged leaves them.
	const camera = `process.stdout.write(Buffer.alloc(${3.5 * 28 * 28}, 120))`;
	const example = spawn(
		process.execPath,
		[join(projectFolder, "examples/camera.js"), cloud.url, "ward-3", process.execPath, "-e", camera],
		{ stdio: ["ignore", "pipe", "pipe"] },
	);
	const [output, errors, [exitCode]] = await Promise.all([
		text(example.stdout),
		text(example.stderr),
		once(example, "close") as Promise<[number]>,
	]);
	t.is(exitCode, 0, errors);
	const lines = output
		.trim()
		.split("\n")
		.map((line) => JSON.parse(line) as { frame: number; class: string; source: string });
	t.deepEqual(
		lines.map(({ frame }) => frame),
		[0, 1, 2],
	);
	for (const line of lines) t.true(line.source === "aggregator" && ["dark", "bright"].includes(line.class));
	t.regex(errors, /ended inside one; got 392 bytes/);
});
