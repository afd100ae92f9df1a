import { execFile, spawnSync } from "node:child_process";
import { mkdir, readdir, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { Child } from "../helpers/child.js";
import { canMount, onOwnFileSystem } from "../helpers/mounted-folder.js";
import { ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** A disk on which there is no room, until there is again. */
interface Disk {
	fill(cloud: Child): Promise<void>;
	/** Looked at while it is full and batches were refused. */
	check?(): Promise<void>;
	free(cloud: Child): Promise<void>;
}

/** Batches while a disk is full are refused and not lost, and taken when there is room. */
async function trainOn(t: ExecutionContext, journal: string, disk: Disk, launcher?: readonly [string, ...string[]]) {
	const settings = { rounds: 1, batchSize: 4, stepTimeoutMs: 600_000, smashedDtype: "float32" };
	await using cloud = new Child("cloud-process.js", ["0", "", JSON.stringify(settings), journal], launcher);
	const { url } = await cloud.next<{ url: string }>("listening");
	const { smashedShape } = (await smallModel()).joint.manifest;
	const batch = (seq: number) => scriptedBatch("a", { epoch: 1, seq }, smashedShape);
	await using device = await ScriptedDevice.join(url, "a");
	await device.next("round");
	await device.send(batch(0));
	await device.next("gradient");
	await disk.fill(cloud);
	for (let again = 0; again < 3; again++) {
		await device.send(batch(1));
		t.like(await device.next("refused"), { of: "batch", code: "PSGL_JOURNAL_FULL", epoch: 1, seq: 1, retry: true });
	}
	await disk.check?.();
	await disk.free(cloud);
	for (const seq of [1, 2]) {
		await device.send(batch(seq));
		t.is((await device.next("gradient")).seq, seq);
	}
}

/** Sets how long a file of a running process may get: what is beyond fails as on a full disk. */
async function limitFiles({ pid }: Child, bytes: number | "unlimited"): Promise<void> {
	await promisify(execFile)("prlimit", ["--pid", String(pid), `--fsize=${bytes}:unlimited`]);
}

/** `test` where prlimit (util-linux) is there; where it is not, the test is listed as skipped. */
const withPrlimit = spawnSync("prlimit", ["--version"]).status === 0 ? test : test.skip;

withPrlimit(
	"a file that gets no longer in the middle of a record: batches are refused by name, none is lost",
	async (t) => {
		const journal = join(await temporaryFolder(t), "journal");
		const sizeOf = async () => {
			const [name = ""] = (await readdir(journal)).filter((file) => file.endsWith(".journal"));
			return (await stat(join(journal, name))).size;
		};
		let size = 0;
		await trainOn(t, journal, {
			async fill(cloud) {
				size = await sizeOf();
				// Some of the next record fits.
				await limitFiles(cloud, size + 100);
			},
			async check() {
				t.is(await sizeOf(), size, "no part of a record is left");
			},
			free: (cloud) => limitFiles(cloud, "unlimited"),
		});
	},
);

/** `test` where a process may mount; where it may not, the test is listed as skipped. */
const withMounts = canMount ? test : test.skip;

withMounts(
	"a full disk: batches are refused by name, none is lost, and with room again training goes on",
	async (t) => {
		const folder = join(await temporaryFolder(t), "disk");
		await mkdir(folder);
		const filler = ({ pid }: Child) => `/proc/${pid}/root${folder}/filler`;
		const disk = {
			async fill(cloud: Child) {
				await t.throwsAsync(writeFile(filler(cloud), new Uint8Array(2 << 20)), { code: "ENOSPC" });
			},
			free: (cloud: Child) => unlink(filler(cloud)),
		};
		await trainOn(t, join(folder, "journal"), disk, onOwnFileSystem(folder, "size=1m"));
	},
);
