import { Device, type TransportEvent } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3";
const data = { train: smallDataset(16, 5), validation: smallDataset(8, 6) };
const { x } = smallDataset(2, 9).batch([0, 1]);

test("a device that starts without a network decides with the model it kept, and with the whole system when the link is up", async (t) => {
	const { joint } = await smallModel();
	const records: MemoryRecords = new Map();
	const settings = { rounds: 1, minDevices: 1, batchSize: 4 };
	let cloud = await startCloud(joint, settings);
	const { url } = cloud;
	const { port } = cloud.broker;
	const known = { url, id, runtime: nodeRuntime, data };
	{
		await using device = await Device.connect({ ...known, store: memoryDeviceStore(records) });
		for await (const _ of device.train());
	}
	await cloud[Symbol.asyncDispose]();

	let up: () => void = () => undefined;
	const online = new Promise<void>((resolve) => {
		up = resolve;
	});
	const onLinkEvent = ({ type }: TransportEvent) => type === "online" && up();
	const offline = { ...known, awaitBroker: false, onLinkEvent } as const;
	await using device = await Device.connect({ ...offline, store: memoryDeviceStore(records) });
	t.false(device.online);
	t.deepEqual((await device.ready()).classes, ["dark", "bright"]);
	const alone = await device.infer(x);
	t.is(alone.source, "local-head");
	t.true(alone.model > 0, "with the weights it had");
	t.like(alone.localAccuracy, { samples: 8 });

	cloud = await startCloud(joint, settings, { port });
	await online;
	t.is((await device.infer(x)).source, "aggregator");
	await device.close();
	await cloud[Symbol.asyncDispose]();
});

test("a device that starts without a network and has no model says so; one that the broker refuses says that", async (t) => {
	const dead = { url: "mqtt://127.0.0.1:1", id, runtime: nodeRuntime, awaitBroker: false, inferTimeoutMs: 50 } as const;
	await using device = await Device.connect(dead);
	await t.throwsAsync(device.infer(x), { code: "PSGL_DEVICE_NO_MODEL" });
	await using limited = await Device.connect({ ...dead, connectDeadlineMs: 10, inferTimeoutMs: 60_000 });
	await t.throwsAsync(limited.infer(x), { code: "PSGL_BROKER_UNREACHABLE" });
});
