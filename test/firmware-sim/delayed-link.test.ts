import { DelayedLink } from "@psgl/firmware-sim";
import { Device, systemClock } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

test("over a long line a device with a window trains every batch once", async (t) => {
	const { joint } = await smallModel("robust");
	const settings = { rounds: 1, batchSize: 2, averageEvery: 0, window: 4 };
	await using cloud = await startCloud(joint, settings);
	const port = Number(new URL(cloud.url).port);
	await using link = await DelayedLink.start({ port, delayMs: 20, clock: systemClock });
	const data = { train: smallDataset(24), validation: smallDataset(4, 2) };
	await using device = await Device.connect({ url: link.url, id: "far", runtime: nodeRuntime, data });
	const steps: number[] = [];
	for await (const event of device.train()) if (event.type === "step") steps.push(event.seq);
	t.deepEqual(
		steps,
		Array.from({ length: 12 }, (_, i) => i),
	);
	const { counts } = await cloud.aggregator.result;
	t.like(counts, { received: 12, applied: 12, lost: 0, doubled: 0, duplicates: 0 });
	t.true(counts.mostWaiting <= 4);
});
