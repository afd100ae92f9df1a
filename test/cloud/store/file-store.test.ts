import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cloudLimits, createFileLeases, openFolderBlobStore, RolloutFolder, TwinFolder } from "@psgl/cloud";
import { ConfigError, DataError, type PsglError } from "@psgl/sdk";
import test, { type ExecutionContext } from "ava";
import { Child } from "../../helpers/child.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";
import { blobStoreCompliance } from "./blob-store-compliance.js";
import { leasesCompliance } from "./leases-compliance.js";
import { rolloutStoreCompliance } from "./rollout-store-compliance.js";
import { twinStoreCompliance } from "./twin-store-compliance.js";

blobStoreCompliance(test, "folder of blobs", async (t) => openFolderBlobStore(join(await temporaryFolder(t), "blobs")));
twinStoreCompliance(test, "folder of twins", async (t) => {
	const folder = await temporaryFolder(t);
	const [cloud, operator] = [await TwinFolder.open(folder), await TwinFolder.open(folder)];
	return { cloud, operator, spoil: (device) => writeFile(join(folder, `${device}.desired.json`), "{") };
});
rolloutStoreCompliance(test, "folder of a roll-out", async (t) => {
	const folder = await temporaryFolder(t);
	return {
		store: new RolloutFolder(folder),
		next: async () => new RolloutFolder(folder),
		spoil: () => writeFile(join(folder, "rollout.json"), "{}"),
		loseCandidate: () => rm(join(folder, "candidate.psgl")),
	};
});
leasesCompliance(test, "file leases", async (t) => {
	const folder = await temporaryFolder(t);
	return [createFileLeases({ folder }), createFileLeases({ folder })];
});

async function damaged(t: ExecutionContext, change: (bytes: Buffer) => Buffer): Promise<void> {
	const folder = await temporaryFolder(t);
	await using store = await openFolderBlobStore(folder);
	await store.put("weights", new Uint8Array(1000).fill(7));
	const [file = ""] = await readdir(folder);
	await writeFile(join(folder, file), change(await readFile(join(folder, file))));
	const error = await t.throwsAsync(store.get("weights"), { instanceOf: DataError });
	t.is(error?.code, "PSGL_BLOB_DAMAGED");
}

test("a blob in a folder that is cut off, changed or without its first line is refused", async (t) => {
	await damaged(t, (bytes) => bytes.subarray(0, bytes.length - 1));
	await damaged(t, (bytes) => Buffer.from(bytes.map((byte, i) => (i === bytes.length - 5 ? byte ^ 1 : byte))));
	await damaged(t, (bytes) => bytes.subarray(3));
	await damaged(t, () => Buffer.alloc(0));
});

test("blobs in a folder are there for the next process, and so is their order", async (t) => {
	const folder = await temporaryFolder(t);
	const first = await openFolderBlobStore(folder);
	await first.put("a", new Uint8Array([1]));
	await first.put("b", new Uint8Array([2]), { epoch: 4 });
	await first.close();
	await using second = await openFolderBlobStore(folder);
	await second.put("a", new Uint8Array([3]), { epoch: 1 });
	t.deepEqual(
		(await second.list("")).map(({ name, epoch }) => [name, epoch]),
		[
			["a", 1],
			["b", 4],
		],
	);
	await t.throwsAsync(second.put("b", new Uint8Array([5]), { epoch: 3 }), { instanceOf: ConfigError });
});

test("a file lease that is stolen is noticed, and the thief's is left alone", async (t) => {
	const folder = await temporaryFolder(t);
	const clock = new ManualClock();
	await using leases = createFileLeases({ folder, clock });
	for (const steal of [() => rm(join(folder, "one", "lock")), () => writeFile(join(folder, "one", "lock"), "1 -\n")]) {
		const lease = await leases.acquire("one");
		await steal();
		const lost = new Promise((resolve) => lease.lost.addEventListener("abort", resolve));
		await clock.advance(cloudLimits.leaseRenewMs);
		await lost;
		t.is((lease.lost.reason as PsglError).code, "PSGL_LEASE_LOST");
		await lease.release();
		await rm(join(folder, "one", "lock"), { force: true });
	}
});

test("a file lease that a killed process left behind is taken over, with a larger epoch", async (t) => {
	const folder = await temporaryFolder(t);
	await using holder = new Child("lease-process.js", ["file", folder]);
	const { epoch } = await holder.next<{ epoch: number }>("held");
	await using leases = createFileLeases({ folder });
	const error = await t.throwsAsync(leases.acquire("one"), { instanceOf: ConfigError });
	t.is(error?.code, "PSGL_LEASE_HELD");
	const next = leases.acquire("one", { wait: true });
	await holder.kill();
	await using lease = await next;
	t.true(lease.epoch > epoch);
});

test("leasePollMs: who stands by for a file lease looks again after it, and not before", async (t) => {
	const folder = await temporaryFolder(t);
	const clock = new ManualClock();
	await using leases = createFileLeases({ folder, clock });
	const held = await leases.acquire("one");
	const next = leases.acquire("one", { wait: true });
	// The holder looks at its lock, and this one waits.
	while (clock.sleeping < 2) await clock.advance(0);
	await held.release();
	await clock.advance(cloudLimits.leasePollMs - 1);
	t.is(clock.sleeping, 1);
	await clock.advance(1);
	await using lease = await next;
	t.true(lease.epoch > held.epoch);
});
