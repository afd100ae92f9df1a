import { Device, deviceLastWill, seededRandom, systemClock } from "@psgl/sdk";
import { decodeEnvelope, deviceTopic, everyDevice } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { MemoryHub } from "@psgl/sdk/transport/memory";
import test from "ava";

test("takes any transport, and closes it", async (t) => {
	const hub = new MemoryHub();
	const options = { clock: systemClock, random: seededRandom(1) };
	const seen: string[] = [];
	let notify: () => void = () => undefined;
	await using observer = hub.transport({ clientId: "observer", ...options });
	for (const channel of ["up", "status"] as const) {
		await observer.subscribe(everyDevice(channel), ({ topic, payload }) => {
			const message = decodeEnvelope(payload);
			t.is(topic, deviceTopic("ward-3-pi", channel));
			seen.push(message.type === "status" ? message.state : message.type);
			notify();
		});
	}
	await observer.connect();
	const until = async (count: number) => {
		while (seen.length < count) {
			await new Promise<void>((resolve) => {
				notify = resolve;
			});
		}
	};
	const lastWill = deviceLastWill("ward-3-pi", systemClock);
	const transport = hub.transport({ clientId: "ward-3-pi", lastWill, ...options });
	const device = await Device.connect({ id: "ward-3-pi", transport, runtime: nodeRuntime });
	await until(2);
	t.deepEqual(seen, ["online", "hello"]);
	hub.disconnect("ward-3-pi");
	await until(5);
	t.deepEqual(seen.slice(2), ["offline", "online", "hello"], "the last will, then the device is back");
	await device.close();
	await until(7);
	t.deepEqual(seen.slice(5).sort(), ["bye", "offline"]);
	t.is(transport.state, "closed");
});
