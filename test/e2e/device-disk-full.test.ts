import { mkdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { Child } from "../helpers/child.js";
import { startCloud } from "../helpers/cloud.js";
import { canMount, onOwnFileSystem } from "../helpers/mounted-folder.js";
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
