import { mkdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { phantomSplits } from "@psgl/firmware-sim";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { nodeHost } from "@psgl/sdk/budget";
import test from "ava";
import { Child } from "../helpers/child.js";
import { startCloud } from "../helpers/cloud.js";
import { canMount, onFullFileSystem, onOwnFileSystem } from "../helpers/mounted-folder.js";
import { runCli } from "../helpers/run-cli.js";
import { smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** `test` where a process may mount; where it may not, the test is listed as skipped. */
const withMounts = canMount ? test : test.skip;

withMounts(
	"a device whose disk is full pauses, and with room again trains to the end; no batch is lost or counted twice",
	async (t) => {
		const folder = join(await temporaryFolder(t), "disk");
		await mkdir(folder);
		const { joint } = await smallModel();
		await using cloud = await startCloud(joint, { rounds: 4, minDevices: 1, batchSize: 4, roundTimeoutMs: 60_000 });
		const args = [cloud.url, "ward-3", join(folder, "state")];
		await using device = new Child("device-process.js", args, onOwnFileSystem(folder, "size=32m"));
		const filler = `/proc/${device.pid}/root${folder}/filler`;
		await device.next("step");
		await t.throwsAsync(writeFile(filler, new Uint8Array(64 << 20)), { code: "ENOSPC" });
		await device.next("paused");
		await unlink(filler);
		await device.next("resumed");
		await device.next("end");
		const { rounds, counts } = await cloud.aggregator.result;
		t.is(rounds, 4);
		t.like(counts, { lost: 0, doubled: 0 });
	},
);

const device = ["device", "--samples", "40", "--image-size", "16", "--id", "ward-3", "--json"];

withMounts("psgl device whose disk is full when it starts waits, and trains when there is room", async (t) => {
	const folder = join(await temporaryFolder(t), "disk");
	await mkdir(folder);
	const { classes } = phantomSplits({ seed: 1, size: 16, train: 40 }).train;
	const definition = presetDefinition("none", zooNetwork("lenet"), [1, 16, 16], classes);
	const artifact = await compileArtifact(definition, { name: "full", random: seededRandom(1) });
	await using cloud = await startCloud(artifact, { rounds: 1, minDevices: 1, batchSize: 20 });
	const { exitCode, stderr, events } = await runCli([...device, "--url", cloud.url, "--state", join(folder, "state")], {
		launcher: onFullFileSystem(folder, "16m"),
		onEvent: ({ type }, { pid }) => {
			if (type === "paused") void unlink(`/proc/${pid}/root${folder}/filler`);
		},
	});
	t.is(exitCode, 0, stderr);
	const told = events.filter(({ type }) => type === "paused" || type === "resumed");
	t.deepEqual(
		told.map(({ type }) => type),
		["paused", "resumed"],
	);
	t.like(told[0], { reasons: ["storage"], code: "PSGL_STORE_WRITE" });
	t.like(events.at(-1), { type: "result", steps: 2 });
});

withMounts("psgl device whose folder is read-only when it starts waits until it is told to stop", async (t) => {
	const folder = join(await temporaryFolder(t), "disk");
	await mkdir(folder);
	const { exitCode, stderr, events } = await runCli(
		[...device, "--url", "mqtt://127.0.0.1:1", "--state", join(folder, "state"), "--max-celsius", "90"],
		{
			launcher: onOwnFileSystem(folder, "ro"),
			onEvent: ({ type }, child) => {
				if (type === "paused") child.kill("SIGTERM");
			},
		},
	);
	t.is(exitCode, 130, stderr);
	const paused = events.find(({ type }) => type === "paused");
	t.is(paused?.code, "PSGL_STORE_WRITE");
	t.regex(String(paused?.got), /read-only/i);
	const warned = events.some(({ code }) => code === "PSGL_BUDGET_SENSOR");
	t.is(warned, (await nodeHost().celsius()) === undefined, "a limit that nothing on this machine can tell of is told");
});
