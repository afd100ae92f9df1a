import { Aggregator, startBroker } from "@psgl/cloud";
import { Device, elementCount, type Runtime } from "@psgl/sdk";
import type { Strategy } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { interceptedRuntime } from "../helpers/intercepted-runtime.js";
import { ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { type SmallModel, smallDataset, smallModel } from "../helpers/small-model.js";

let model: SmallModel;

test.before(async () => {
	model = await smallModel();
});

const batchSize = 4;

/** Bytes of so many batches of smashed data, read. */
const room = (batches: number) => batches * 4 * batchSize * elementCount(model.joint.manifest.smashedShape);

/** A promise, and what opens it. */
function gate() {
	let open: () => void = () => undefined;
	const opened = new Promise<void>((resolve) => {
		open = resolve;
	});
	return { opened, open };
}

/** A runtime whose training steps wait for `opened`. */
function gated(opened: Promise<void>): Runtime {
	return interceptedRuntime(async (feeds, run) => {
		if (feeds.slots !== undefined) await opened;
		return run();
	});
}

for (const strategy of ["splitfed-v2", "splitfed-v1"] satisfies Strategy[]) {
	test(`${strategy}: a slow aggregator holds two batches of eight devices; the others wait for credit, and nothing is refused`, async (t) => {
		const devices = 8;
		const places = 2;
		let waiting = 0;
		// Steps begin when every device without a place has been held up.
		const heldUp = gate();
		const runtime = gated(heldUp.opened);
		await using broker = await startBroker({ port: 0 });
		await using aggregator = await Aggregator.start({
			artifact: model.joint,
			runtime,
			broker,
			settings: { rounds: 2, minDevices: devices, batchSize, groupSize: 1, strategy },
			intakeBytes: room(places),
		});
		const steps = await Promise.all(
			Array.from({ length: devices }, async (_, i) => {
				await using device = await Device.connect({
					url: broker.url,
					id: `device-${i}`,
					runtime: nodeRuntime,
					data: { train: smallDataset(12, i + 1) },
				});
				let made = 0;
				for await (const event of device.train()) {
					if (event.type === "step") made++;
					if (event.type === "refused") t.fail(event.refusal.code);
					if (event.type !== "waiting-for-credit") continue;
					waiting++;
					if (waiting === devices - places) heldUp.open();
				}
				return made;
			}),
		);
		t.deepEqual(steps, new Array(devices).fill(6));
		const { counts } = await aggregator.result;
		t.like(counts, { applied: 48, refused: 0, lost: 0, doubled: 0 });
		t.true(counts.mostWaiting <= places, `${counts.mostWaiting} batches waited`);
		t.true(waiting > devices, "devices waited again and again");
	});
}

test("with one place for a group of four, the group goes on all the same", async (t) => {
	await using broker = await startBroker({ port: 0 });
	await using aggregator = await Aggregator.start({
		artifact: model.joint,
		runtime: nodeRuntime,
		broker,
		settings: { rounds: 1, minDevices: 8, batchSize, groupSize: 4 },
		intakeBytes: 1,
	});
	await Promise.all(
		Array.from({ length: 8 }, async (_, i) => {
			await using device = await Device.connect({
				url: broker.url,
				id: `device-${i}`,
				runtime: nodeRuntime,
				data: { train: smallDataset(8, i + 1) },
			});
			for await (const event of device.train()) if (event.type === "refused") t.fail(event.refusal.code);
		}),
	);
	const { counts } = await aggregator.result;
	t.like(counts, { applied: 16, refused: 0, lost: 0 });
	t.true(counts.mostWaiting <= 4);
});

test("a device of protocol version 1 is told to send again while there is no room, and is never sent a word of credit", async (t) => {
	const steps = gate();
	await using broker = await startBroker({ port: 0 });
	await using aggregator = await Aggregator.start({
		artifact: model.joint,
		runtime: gated(steps.opened),
		broker,
		settings: { rounds: 1, minDevices: 2, batchSize, strategy: "splitfed-v1" },
		intakeBytes: room(1),
	});
	await using first = await ScriptedDevice.join(broker.url, "first");
	await using second = await ScriptedDevice.join(broker.url, "second");
	const { epoch, credit } = await first.next("round");
	await second.next("round");
	t.is(credit, undefined);
	const { smashedShape } = model.joint.manifest;
	await first.send(scriptedBatch("first", { epoch, seq: 0 }, smashedShape));
	await second.send(scriptedBatch("second", { epoch, seq: 0 }, smashedShape));
	t.like(await second.next("refused"), { code: "PSGL_INTAKE_FULL", of: "batch", epoch, seq: 0, retry: true });
	steps.open();
	t.is((await first.next("gradient")).credit, undefined);
	await first.send({ type: "bye", device: "first", reason: "done" });
	await second.send(scriptedBatch("second", { epoch, seq: 0 }, smashedShape));
	t.is((await second.next("gradient")).credit, undefined);
	aggregator.stop();
});

test("a device of version 2 that asks gets its credit again, and for a round that is over a refusal", async (t) => {
	await using broker = await startBroker({ port: 0 });
	await using aggregator = await Aggregator.start({
		artifact: model.joint,
		runtime: nodeRuntime,
		broker,
		settings: { rounds: 1, minDevices: 1, batchSize },
	});
	await using device = await ScriptedDevice.connect(broker.url, "ward-3");
	await device.hello({ protocols: [1, 2] });
	t.is((await device.next("welcome")).protocol, 2);
	const { epoch, credit } = await device.next("round");
	t.is(credit, 1);
	const resume = { type: "resume", device: "ward-3", awaiting: "credit", seq: 0 } as const;
	await device.send({ ...resume, epoch });
	t.like(await device.next("credit"), { epoch, upTo: 1 });
	await device.send(scriptedBatch("ward-3", { epoch, seq: 0 }, model.joint.manifest.smashedShape));
	t.is((await device.next("gradient")).credit, 2);
	await device.send({ ...resume, epoch: epoch + 1 });
	t.like(await device.next("refused"), { code: "PSGL_ROUND_OVER", epoch: epoch + 1, retry: false });
	aggregator.stop();
});
