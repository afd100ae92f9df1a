import { Device, deviceLastWill, seededRandom, systemClock } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { openDeviceStore } from "@psgl/sdk/store";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import { chaosData } from "./data.js";

/** What a device's process is told, as JSON. */
export interface DeviceProcessOptions {
	readonly url: string;
	readonly id: string;
	/** Of its store. */
	readonly folder: string;
	readonly seed: number;
	/** Milliseconds its clock is ahead. */
	readonly skewMs: number;
}

/** A device in a process of its own, with a store: tells its parent of every event. */
// Nobody is left to kill it when the parent is gone.
process.on("disconnect", () => process.exit());
const { url, id, folder, seed, skewMs } = JSON.parse(process.argv[2] ?? "{}") as DeviceProcessOptions;
const clock = { ...systemClock, now: () => systemClock.now() + skewMs };
const transport = mqttTransport({
	url,
	clientId: id,
	lastWill: deviceLastWill(id, clock),
	clock,
	random: seededRandom(seed),
	// Links that go dead are noticed in seconds, as many die here.
	keepAliveSeconds: 2,
	attemptTimeoutMs: 4_000,
});
const device = await Device.connect({
	id,
	transport,
	runtime: nodeRuntime,
	data: chaosData(id),
	store: await openDeviceStore(folder),
	clock,
	answerTimeoutMs: 2_000,
});
for await (const event of device.train()) {
	const { type } = event;
	const place = "epoch" in event && "seq" in event ? { epoch: event.epoch, seq: event.seq } : {};
	process.send?.({ type, ...place });
}
await device.close();
process.disconnect();
