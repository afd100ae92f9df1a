import { join } from "node:path";
import { decodeEntry } from "@psgl/cloud";
import { Device, type DeviceEvent, type Tensor } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { type CodesMessage, type DeviceMessage, decodeEnvelope, shortWeights } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { type Cloud, startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const settings = { rounds: 6, minDevices: 2, batchSize: 8, averageEvery: 2, learningRate: 0.01, seed: 3 };
const dataOf = (n: number) => ({ train: smallDataset(24, n), validation: smallDataset(8, 10 + n) });

function connect(cloud: Cloud, n: number, records: MemoryRecords) {
	const store = memoryDeviceStore(records);
	return Device.connect({ url: cloud.url, id: `device-${n}`, runtime: nodeRuntime, data: dataOf(n), store });
}

/** Every message devices published, whole, with its bytes: codes are short. */
async function published(cloud: Cloud): Promise<(DeviceMessage & { readonly length: number })[]> {
	const { log } = cloud.broker;
	const messages: (DeviceMessage & { readonly length: number })[] = [];
	for await (const { position, bytes } of log.read(0)) {
		if (bytes[0] !== 0) {
			const { channel, payload } = decodeEntry(bytes);
			if (channel === "up") {
				messages.push({ ...(decodeEnvelope(payload) as DeviceMessage), length: payload.length });
			}
		}
		if (position === log.end - 1) break;
	}
	return messages;
}

test("each picture is coded once, sent once, and trained on without the devices; a journal tells it again to the last bit", async (t) => {
	const { joint } = await smallModel("shield");
	const { code, disclosure } = joint.manifest;
	const budget = disclosure.budgetBits as number;
	t.is(budget, (code?.numbers ?? 0) * (code?.bits ?? 0) + 1);
	const journal = await temporaryFolder(t);
	const stores = [new Map(), new Map()] as const;
	let sent: Awaited<ReturnType<typeof published>>;
	let trained: Uint8Array;
	{
		await using cloud = await startCloud(joint, settings, { journal });
		await using first = await connect(cloud, 1, stores[0]);
		await using second = await connect(cloud, 2, stores[1]);
		const events = [first, second].map((device) => new EventReader<DeviceEvent>(device.train()));
		const result = await cloud.aggregator.result;
		await Promise.all(events.map((reader) => reader.done));
		trained = result.artifact;
		t.is(result.rounds, 12, "six on the devices, six on the codes");
		t.true((result.validation?.fused?.balancedAccuracy ?? 0) > 0.8, JSON.stringify(result.validation));
		for (const { types } of events) t.is(types.filter((type) => type === "coded").length, 1);
		for (const device of [first, second]) {
			t.like(device.disclosure, { records: 32, releases: 32, mostBits: budget, leftOut: 0 });
		}
		const kept = first.disclosure.bits;
		const decision = await first.infer(dataOf(1).train.batch([0, 1, 2]).x);
		t.is(decision.source, "aggregator");
		t.is(first.disclosure.bits, kept, "the stored codes again");
		sent = await published(cloud);
	}
	t.deepEqual([...new Set(sent.map(({ type }) => type))].sort(), [
		"codes",
		"hello",
		"infer",
		"reported",
		"resume",
		"weights",
	]);
	const weights = sent.filter((message) => message.type === "weights");
	t.true(weights.length >= 12);
	for (const { tensors, length } of weights) {
		t.deepEqual(tensors, shortWeights(tensors));
		const { params, stats, head } = tensors;
		t.true(length < 0.7 * 4 * (params.data.length + stats.data.length + head.data.length), `${length}`);
	}
	const codes = sent.filter(
		(message): message is CodesMessage & { readonly length: number } => message.type === "codes",
	);
	t.is(
		codes.reduce((sum, { tensors }) => sum + (tensors?.labels.dims[0] ?? 0), 0),
		64,
	);
	t.notDeepEqual(
		(await decodeArtifact(trained)).tensors.get("server/params"),
		joint.tensors.get("server/params") as Tensor<"float32">,
	);
	await using again = await startCloud(joint, settings, { journal });
	const replayed = (await again.aggregator.result).artifact;
	t.deepEqual(replayed, trained);
	const rounds = again.events.events.filter((event) => event.type === "replayed");
	t.is(rounds.length, 12);
	t.true(rounds.every((event) => event.type === "replayed" && event.identical));
});

test("a checkpoint holds the codes: the aggregator goes on with them when no device is there", async (t) => {
	const { joint } = await smallModel("shield");
	const folder = await temporaryFolder(t);
	const checkpointFile = join(folder, "checkpoint");
	const alone = { ...settings, minDevices: 1 };
	{
		await using cloud = await startCloud(joint, alone, { checkpointFile });
		await using device = await connect(cloud, 1, new Map());
		const events = new EventReader<DeviceEvent>(device.train());
		for (let round = 1; round <= 7; round++) await cloud.events.next("checkpoint");
		cloud.aggregator.stop();
		await cloud.aggregator.result;
		await events.done;
	}
	await using cloud = await startCloud(joint, alone, { checkpointFile });
	const { round } = await cloud.events.next("resumed");
	t.true(round >= 7, "six on the device, and at least one on the codes");
	const result = await cloud.aggregator.result;
	t.is(result.rounds, 12);
	if (round < 12) t.true(cloud.events.types.includes("step"));
});

test("refresh N codes each picture N times", async (t) => {
	const { joint } = await smallModel("shield");
	const { code } = joint.manifest;
	const bits = (code?.numbers ?? 0) * (code?.bits ?? 0);
	const refreshed = {
		...joint,
		manifest: {
			...joint.manifest,
			disclosure: { release: "refresh" as const, refreshes: 2, budgetBits: 2 * bits + 1 },
		},
	};
	await using cloud = await startCloud(refreshed, { ...settings, minDevices: 1 });
	await using device = await connect(cloud, 1, new Map());
	const events = new EventReader<DeviceEvent>(device.train());
	await cloud.aggregator.result;
	await events.done;
	t.deepEqual(
		events.events.filter((event) => ["refused", "rejected", "left-out"].includes(event.type)),
		[],
	);
	t.is(events.types.filter((type) => type === "coded").length, 2);
	t.like(device.disclosure, { records: 32, releases: 64, mostBits: 2 * bits + 1, leftOut: 0 });
});
