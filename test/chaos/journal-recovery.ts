import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { artifactDigest, encodeEntry, openFileJournal } from "@psgl/cloud";
import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Child } from "../helpers/child.js";
import { EventReader } from "../helpers/event-reader.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

/**
 * How long a cloud with a large journal takes to come back after a kill in the middle of a round:
 * `node build/test/chaos/journal-recovery.js [MEGABYTES]`. The journal is filled before the first checkpoint.
 */
const megabytes = Number(process.argv[2] ?? 1000);
const folder = await mkdtemp(join(tmpdir(), "psgl-recovery-"));
try {
	const journal = join(folder, "journal");
	const { joint } = await smallModel();
	const payload = new Uint8Array(200_000).fill(7);
	{
		await using log = await openFileJournal({ folder: journal, run: await artifactDigest(joint), fsync: "interval" });
		const entry = encodeEntry({ device: "filler", channel: "up", payload });
		for (let i = 0; i < megabytes * 5; i += 50) {
			await Promise.all(Array.from({ length: 50 }, () => log.append(entry)));
		}
	}
	const settings = JSON.stringify({ rounds: 3, minDevices: 3, batchSize: 4 });
	const start = (port: string) => new Child("cloud-process.js", [port, join(folder, "checkpoint"), settings, journal]);
	await using before = start("0");
	const { url } = await before.next<{ url: string }>("listening");
	const part = { train: smallDataset(48), validation: smallDataset(12, 2), test: smallDataset(2, 3) };
	const data = { name: "small", synthetic: true, ...part };
	const fleet = new EventReader<FleetEvent>(runFleet({ url, devices: 3, data, seed: 5, runtime: nodeRuntime }));
	for (;;) {
		const { event } = await fleet.next("device");
		if (event.type === "step" && event.epoch === 2 && event.seq === 1) break;
	}
	await before.kill();
	const killed = performance.now();
	await using after = start(new URL(url).port);
	await after.next("listening");
	const listening = performance.now();
	await after.next("step");
	const stepping = performance.now();
	await after.next("result");
	await fleet.done;
	const seconds = (to: number) => Number(((to - killed) / 1000).toFixed(2));
	console.log(JSON.stringify({ megabytes, listeningSeconds: seconds(listening), firstStepSeconds: seconds(stepping) }));
} finally {
	await rm(folder, { recursive: true, force: true });
}
