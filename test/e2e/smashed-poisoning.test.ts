import { join } from "node:path";
import { Aggregator, artifactDigest, openFileJournal } from "@psgl/cloud";
import { Device } from "@psgl/sdk";
import { sha256 } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { interceptedRuntime } from "../helpers/intercepted-runtime.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** Sends the opposite of its smashed data. */
const hostile = interceptedRuntime(async (_, run) => {
	const outputs = await run();
	const { smashed } = outputs;
	if (smashed?.dtype !== "float32") return outputs;
	const turned = (smashed.data as Float32Array).map((value) => -value);
	return { ...outputs, smashed: { ...smashed, data: turned } };
});

test("a device's poisoned smashed data are refused, the others train on, and the journal gives the same bits without asking the guard", async (t) => {
	const { joint } = await smallModel();
	const journal = join(await temporaryFolder(t), "journal");
	const settings = { rounds: 2, minDevices: 5, batchSize: 8, groupSize: 5, outlierGuard: true } as const;
	const outliers: string[] = [];
	const refused: string[] = [];
	let digest: string;
	{
		await using cloud = await startCloud(joint, settings, { journal });
		const devices = Array.from({ length: 5 }, async (_, i) => {
			await using device = await Device.connect({
				url: cloud.url,
				id: `device-${i}`,
				runtime: i === 4 ? hostile : nodeRuntime,
				data: { train: smallDataset(32, i + 1) },
			});
			let steps = 0;
			for await (const event of device.train()) {
				if (event.type === "step") steps++;
				if (event.type === "refused") refused.push(event.refusal.code);
			}
			return steps;
		});
		for await (const event of cloud.aggregator.events()) {
			if (event.type === "outlier" && event.of === "batch") outliers.push(event.device);
			if (event.type === "end") break;
		}
		const result = await cloud.aggregator.result;
		t.deepEqual(await Promise.all(devices), [8, 8, 8, 8, 0]);
		t.like(result.counts, { applied: 32, refused: outliers.length, lost: 0, doubled: 0 });
		digest = await sha256(result.artifact);
	}
	t.deepEqual([...new Set(outliers)], ["device-4"]);
	t.deepEqual([...new Set(refused)], ["PSGL_BATCH_OUTLIER"]);
	await using log = await openFileJournal({ folder: journal, run: await artifactDigest(joint) });
	const broker = { log, maxMessageBytes: 1_000_000, send: async () => false };
	await using again = await Aggregator.start({
		artifact: joint,
		runtime: nodeRuntime,
		broker,
		settings,
		replayOnly: true,
	});
	t.is(await sha256((await again.result).artifact), digest);
});
