import { Aggregator, type AggregatorEvent, type AggregatorSettings, resolveSettings, startBroker } from "@psgl/cloud";
import { zeros } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { BackwardMessage, FeaturesMessage, ForwardMessage, WireTensor } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { ScriptedDevice, scriptedBatch } from "../helpers/scripted-device.js";
import { smallModel } from "../helpers/small-model.js";

let joint: Artifact;
test.before(async () => {
	({ joint } = await smallModel("robust", { labels: "device" }));
});

/** An aggregator of a model whose labels stay on the devices, on a clock of the test's. */
async function start(settings: AggregatorSettings = {}, artifact: Artifact = joint) {
	const clock = new ManualClock();
	const broker = await startBroker({ port: 0 });
	const wire = { smashedDtype: "float32", gradientDtype: "float32" } as const;
	const aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		clock,
		settings: { rounds: 1, ...wire, ...settings },
	});
	return {
		aggregator,
		clock,
		url: broker.url,
		events: new EventReader<AggregatorEvent>(aggregator.events()),
		async [Symbol.asyncDispose]() {
			await aggregator.close();
			await broker.close();
		},
	};
}

const join = (url: string, id: string) => ScriptedDevice.join(url, id, { protocols: [1, 2, 3] });

function forward(device: ScriptedDevice, seq: number, task: "train" | "validate" = "train"): ForwardMessage {
	const { epoch, model, tensors } = scriptedBatch(device.id, { epoch: 1, seq }, joint.manifest.smashedShape);
	const smashed = tensors.smashed as WireTensor;
	return { type: "forward", device: device.id, task, epoch, seq, model, tensors: { smashed } };
}

function backward({ device, epoch, seq, model, tensors }: FeaturesMessage): BackwardMessage {
	const { dims, data } = tensors.features;
	const featureGradient = { dtype: "float32", dims, data: Float32Array.from(data as Float32Array, Math.sin) } as const;
	return { type: "backward", device, epoch, seq, model, tensors: { featureGradient } };
}

test("a device that cannot keep its labels is refused, and class weights are where labels are not", async (t) => {
	await using run = await start();
	await using device = await ScriptedDevice.connect(run.url, "old");
	await device.hello({ protocols: [1, 2] });
	t.like(await device.next("refused"), { of: "hello", code: "PSGL_HELLO_UNFIT", expected: "protocol 3" });
	t.throws(() => resolveSettings({ classWeights: [1, 2] }, joint.manifest), { code: "PSGL_AGGREGATOR_SETTINGS" });
});

test("features come once, the gradient once; copies and questions get the same bytes again", async (t) => {
	await using run = await start();
	await using device = await join(run.url, "a");
	await device.next("round");
	const message = forward(device, 0);
	await device.send(message);
	const features = await device.next("features");
	t.like(features, { task: "train", epoch: 1, seq: 0, model: 0 });
	t.deepEqual(features.tensors.features.dims, [4, 3, joint.manifest.tail?.features]);
	const first = device.payloads.at(-1);
	await device.send(message);
	await device.next("features");
	t.deepEqual(device.payloads.at(-1), first);
	await device.send({ type: "resume", device: "a", awaiting: "features", epoch: 1, seq: 0 });
	await device.next("features");
	t.deepEqual(device.payloads.at(-1), first);

	await device.send(backward(features));
	const gradient = await device.next("gradient");
	t.deepEqual(gradient.tensors.cutGradient.dims, message.tensors.smashed.dims);
	t.true(gradient.tensors.cutGradient.data.some((value) => value !== 0));
	t.deepEqual(gradient.losses, []);
	const second = device.payloads.at(-1);
	await device.send(backward(features));
	await device.next("gradient");
	t.deepEqual(device.payloads.at(-1), second);
	// A device that was started again asks for both halves.
	await device.send(message);
	await device.next("features");
	t.deepEqual(device.payloads.at(-1), first);
	await device.send({ type: "resume", device: "a", awaiting: "gradient", epoch: 1, seq: 0 });
	await device.next("gradient");
	t.deepEqual(device.payloads.at(-1), second);
});

test("a gradient without its batch, of another shape, labels, and what belongs to a validation are refused", async (t) => {
	await using run = await start();
	await using device = await join(run.url, "a");
	await device.next("round");
	const features = { ...forward(device, 0), type: "features" } as const;
	const shaped = zeros("float32", [4, 3, 32]);
	const early = { ...features, task: "train", tensors: { features: shaped } } as const;
	await device.send(backward(early));
	t.like(await device.next("refused"), { code: "PSGL_BATCH_MISSING", seq: 0, retry: true });
	await device.send(forward(device, 0, "validate"));
	t.like(await device.next("refused"), { of: "forward", code: "PSGL_ROUND_OVER" });
	await device.send({ type: "figures", device: "a", epoch: 1, model: 0, samples: 20, accuracy: 1, loss: 0 });
	t.like(await device.next("refused"), { of: "figures", code: "PSGL_ROUND_OVER" });

	await device.send(scriptedBatch("a", { epoch: 1, seq: 0 }, joint.manifest.smashedShape));
	t.like(await device.next("refused"), { code: "PSGL_BATCH_TAIL", seq: 0, retry: false });
	await device.send(forward(device, 1));
	const given = await device.next("features");
	await device.send({ ...backward(given), tensors: { featureGradient: zeros("float32", [4, 3, 31]) } });
	t.like(await device.next("refused"), { code: "PSGL_BATCH_SHAPE", seq: 1, retry: false });
	t.false(run.events.types.includes("step"), "nothing had an effect");
});

test("a model whose devices send labels takes no batch without them", async (t) => {
	const { joint: shared } = await smallModel("robust");
	await using run = await start({}, shared);
	await using device = await join(run.url, "a");
	await device.next("round");
	await device.send(forward(device, 0));
	t.like(await device.next("refused"), { code: "PSGL_BATCH_TAIL", seq: 0, retry: false });
});

test("a device that stays away between the halves of a step is left out of it; the others go on", async (t) => {
	await using run = await start({ minDevices: 2, groupSize: 2, stepTimeoutMs: 5000 });
	await using here = await join(run.url, "here");
	await using away = await join(run.url, "away");
	await here.next("round");
	await away.next("round");
	await here.send(forward(here, 0));
	await away.send(forward(away, 0));
	const features = await here.next("features");
	const lost = await away.next("features");
	await here.send(backward(features));
	const left = run.events.next("left-behind");
	let told = false;
	void left.then(() => {
		told = true;
	});
	while (!told) await run.clock.advance(1000);
	t.is((await left).device, "away");
	t.is((await here.next("gradient")).seq, 0);
	t.like(await away.next("refused"), { code: "PSGL_ROUND_OVER", epoch: 1, seq: 0, retry: false });
	await away.send(backward(lost));
	t.like(await away.next("refused"), { code: "PSGL_ROUND_OVER", seq: 0 });
	const step = await run.events.next("step");
	t.deepEqual(step.devices, ["here"]);
});
