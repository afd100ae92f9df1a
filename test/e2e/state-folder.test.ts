import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { openDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { canMount, onOwnFileSystem } from "../helpers/mounted-folder.js";
import { cliProgram } from "../helpers/run-cli.js";
import { smallFleetData, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** `test` where a process may mount; where it may not, the test is listed as skipped. */
const withMounts = canMount ? test : test.skip;

test("a folder for checkpoints that is gone is told once; training and everyone in it go on", async (t) => {
	const folder = await temporaryFolder(t);
	const gone = join(folder, "checkpoints");
	const settings = { rounds: 4, minDevices: 2, batchSize: 4 };
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, settings, {
		checkpointFile: join(gone, "training.checkpoint"),
		journal: join(folder, "journal"),
	});
	const fleet = new EventReader<FleetEvent>(
		runFleet({ url: cloud.url, devices: 2, data: smallFleetData, seed: 5, runtime: nodeRuntime }),
	);
	await cloud.events.next("checkpoint-failed");
	await cloud.events.next("round");
	await cloud.events.next("round");
	await mkdir(gone);
	t.is((await cloud.events.next("checkpoint")).type, "checkpoint");
	const { rounds, counts } = await cloud.aggregator.result;
	await fleet.done;
	t.is(rounds, 4);
	t.like(counts, { lost: 0, doubled: 0 });
	const told = cloud.events.events.filter((event) => event.type === "checkpoint-failed");
	t.is(told.length, 1);
	t.like(told[0], { round: 1, code: "PSGL_CHECKPOINT_WRITE" });
});

test("a device whose folder cannot be made ends by name, and the others train", async (t) => {
	const folder = await temporaryFolder(t);
	await writeFile(join(folder, "file"), "");
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, { rounds: 1, minDevices: 2, batchSize: 4 });
	await t.throwsAsync(openDeviceStore(join(folder, "file", "below")), { code: "PSGL_STORE_FOLDER" });
	for await (const _ of runFleet({ url: cloud.url, devices: 2, data: smallFleetData, seed: 5, runtime: nodeRuntime }));
	t.like(await cloud.aggregator.result, { rounds: 1, counts: { lost: 0, doubled: 0 } });
});

for (const [title, args] of [
	["psgl cloud", ["cloud", "--artifact", "ARTIFACT", "--port", "0", "--state"]],
	["psgl demo", ["demo", "--out"]],
] as const) {
	withMounts(`${title} with a folder on a file system that is read-only: named once, and ended`, async (t) => {
		const folder = await temporaryFolder(t);
		const state = join(folder, "state");
		await mkdir(state);
		const artifact = join(folder, "small.psgl");
		await writeFile(artifact, (await smallModel()).jointBytes);
		const words = [...args.map((word) => (word === "ARTIFACT" ? artifact : word)), state];
		const [program, ...rest] = onOwnFileSystem(state, "ro");
		const child = spawn(program, [...rest, process.execPath, cliProgram, ...words], {
			stdio: ["ignore", "ignore", "pipe"],
		});
		const ended = once(child, "close");
		const said = await text(child.stderr);
		const [exitCode] = await ended;
		t.is(exitCode, 2, said);
		t.deepEqual(said.match(/PSGL_[A-Z_]+/g), ["PSGL_OUTPUT_UNWRITABLE"], said);
		t.regex(said, /read-only/i);
	});
}
