import { execFile, spawnSync } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { Child } from "../helpers/child.js";
import { ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** Sets how long a file of a running process may get: what is beyond fails as on a full disk. */
async function limitFiles(pid: number, bytes: number | "unlimited"): Promise<void> {
	await promisify(execFile)("prlimit", ["--pid", String(pid), `--fsize=${bytes}:unlimited`]);
}

/** `test` where prlimit (util-linux) is there; where it is not, the test is listed as skipped. */
const withPrlimit = spawnSync("prlimit", ["--version"]).status === 0 ? test : test.skip;

withPrlimit(
	"a full disk: batches are refused by name and none is lost; with room again training goes on",
	async (t) => {
		const journal = join(await temporaryFolder(t), "journal");
		const settings = { rounds: 1, batchSize: 4, stepTimeoutMs: 600_000, smashedDtype: "float32" };
		await using cloud = new Child("cloud-process.js", ["0", "", JSON.stringify(settings), journal]);
		const { url } = await cloud.next<{ url: string }>("listening");
		const { smashedShape } = (await smallModel()).joint.manifest;
		const batch = (seq: number) => scriptedBatch("a", { epoch: 1, seq }, smashedShape);
		await using device = await ScriptedDevice.join(url, "a");
		await device.next("round");
		await device.send(batch(0));
		await device.next("gradient");
		const [name = ""] = (await readdir(journal)).filter((file) => file.endsWith(".journal"));
		const { size } = await stat(join(journal, name));
		// Some of the next record fits.
		await limitFiles(cloud.pid, size + 100);
		for (let again = 0; again < 3; again++) {
			await device.send(batch(1));
			t.like(await device.next("refused"), { of: "batch", code: "PSGL_JOURNAL_FULL", epoch: 1, seq: 1, retry: true });
		}
		t.is((await stat(join(journal, name))).size, size, "no part of a record is left");
		await limitFiles(cloud.pid, "unlimited");
		await device.send(batch(1));
		t.is((await device.next("gradient")).seq, 1);
		await device.send(batch(2));
		t.is((await device.next("gradient")).seq, 2);
	},
);
