import { Aggregator, cloudLimits, startBroker } from "@psgl/cloud";
import type { InferMessage } from "@psgl/sdk/protocol";
import test from "ava";
import { interceptedRuntime } from "../helpers/intercepted-runtime.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { smallModel } from "../helpers/small-model.js";

/** A cloud that decides and whose clock stands still; the next run of its decisions waits for `open` when `hold` was called. */
async function deciding(devices: number, msOfRun = 0) {
	const { joint } = await smallModel();
	const clock = new ManualClock();
	const rows: number[] = [];
	let gate: Promise<void> | undefined;
	let open: () => void = () => undefined;
	const runtime = interceptedRuntime(async (feeds, run) => {
		rows.push(feeds.smashed?.dims[0] as number);
		await gate;
		await clock.advance(msOfRun);
		return run();
	});
	const broker = await startBroker({ port: 0 });
	const aggregator = await Aggregator.start({ artifact: joint, runtime, broker, clock, settings: { rounds: 0 } });
	const ids = Array.from({ length: devices }, (_, i) => `device-${i}`);
	const asking = await Promise.all(ids.map((id) => ScriptedDevice.join(broker.url, id)));
	const ask = async (device: ScriptedDevice, seq: number, samples = 1) => {
		const place = { epoch: 1, seq: Number(device.id.slice(7)), samples };
		const { smashed } = scriptedBatch(device.id, place, joint.manifest.smashedShape).tensors;
		const of = { device: device.id, seq, session: 1, model: 0, allowPartial: false };
		await device.send({ type: "infer", ...of, tensors: { smashed } } satisfies InferMessage);
	};
	return {
		asking,
		rows,
		ask,
		hold: () => {
			gate = new Promise((resolve) => {
				open = resolve;
			});
		},
		open: () => open(),
		async [Symbol.asyncDispose]() {
			for (const device of asking) await device[Symbol.asyncDispose]();
			await aggregator.close();
			await broker.close();
		},
	};
}

const turns = async () => {
	for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test("requests that come while a run is under way are computed in one, and each device gets its own scores", async (t) => {
	await using cloud = await deciding(7);
	const { asking, rows, ask } = cloud;
	const alone: ArrayLike<number>[] = [];
	for (const device of asking) {
		await ask(device, 0);
		alone.push((await device.next("scores")).tensors.scores.data);
	}
	t.deepEqual(rows, new Array(7).fill(1), "who comes alone does not wait for others");
	cloud.hold();
	await Promise.all(asking.map((device) => ask(device, 1)));
	await turns();
	cloud.open();
	for (const [i, device] of asking.entries()) {
		const { data } = (await device.next("scores")).tensors.scores;
		data.forEach((value, k) => {
			t.true(Math.abs(value - (alone[i]?.[k] as number)) < 1e-6);
		});
	}
	t.deepEqual(rows.slice(7), [1, 6]);
});

test("decisionRunMs: no more go into a run than it has time for, unless more than twice as many wait", async (t) => {
	const msOfRun = 4;
	await using cloud = await deciding(14, msOfRun);
	const { asking, rows, ask } = cloud;
	await ask(asking[0] as ScriptedDevice, 0);
	await (asking[0] as ScriptedDevice).next("scores");
	cloud.hold();
	const few = asking.slice(0, 5);
	await Promise.all(few.map((device) => ask(device, 1)));
	await turns();
	cloud.open();
	for (const device of few) t.is((await device.next("scores")).seq, 1);
	t.deepEqual(rows.slice(0, 3), [1, 1, Math.floor(cloudLimits.decisionRunMs / msOfRun)]);
	const before = rows.length;
	cloud.hold();
	await Promise.all(asking.map((device) => ask(device, 2)));
	await turns();
	cloud.open();
	for (const device of asking) t.is((await device.next("scores")).seq, 2);
	t.deepEqual(rows.slice(before, before + 2), [1, 6]);
});

test("decisionRunSamples: nor more than so many samples", async (t) => {
	await using cloud = await deciding(4);
	const { asking, rows, ask } = cloud;
	await ask(asking[0] as ScriptedDevice, 0);
	await (asking[0] as ScriptedDevice).next("scores");
	cloud.hold();
	const samples = Math.floor(cloudLimits.decisionRunSamples / 2);
	for (const device of asking) await ask(device, 1, samples);
	await turns();
	cloud.open();
	for (const device of asking) t.is((await device.next("scores")).tensors.scores.dims[0], samples);
	t.deepEqual(rows, [1, samples, 2 * samples, samples]);
});
