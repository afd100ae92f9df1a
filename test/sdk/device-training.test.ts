import { Device, type DeviceOptions, seededRandom, tensor } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import { encodeEnvelope, type WireTensor } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { ManualClock } from "../helpers/manual-clock.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import type { Terms } from "../helpers/scripted-aggregator.js";
import { type SmallModel, smallDataset, smallModel } from "../helpers/small-model.js";
import { trainingDevice } from "../helpers/training-device.js";

const id = "ward-3-pi";
let model: SmallModel;

test.before(async () => {
	model = await smallModel();
});

/** A device that trains on ten pictures, at a scripted aggregator. */
function start(terms: Terms = {}, options: Partial<DeviceOptions> = {}) {
	const data = { train: smallDataset(10), validation: smallDataset(6, 2) };
	return trainingDevice(model.client, terms, { id, data, ...options });
}

test("does a round: one batch in flight, all samples once, then the weights and how many samples they saw", async (t) => {
	await using run = await start();
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { epoch: 3 }));
	const labels: number[] = [];
	for (const [seq, samples] of [4, 4, 2].entries()) {
		const batch = await aggregator.expect("batch");
		t.deepEqual([batch.epoch, batch.seq, batch.model], [3, seq, 0]);
		t.deepEqual(batch.tensors.smashed.dims, [samples, ...model.joint.manifest.smashedShape]);
		t.is(batch.tensors.smashed.dtype, "float32");
		labels.push(...batch.tensors.labels.data);
		await aggregator.send(gradientFor(batch));
	}
	t.is(labels.filter((label) => label === 1).length, 5, "every picture once");
	const weights = await aggregator.expect("weights");
	t.deepEqual([weights.epoch, weights.model, weights.samples], [3, 0, 10]);
	const initial = artifactTensor(model.joint, "client/params");
	t.is(weights.tensors.params.data.length, initial.data.length);
	t.notDeepEqual(weights.tensors.params.data, initial.data, "the device has learned");
	await aggregator.send({ type: "received", device: id, of: "weights", epoch: 3, seq: 0 });
	const trained = await events.next("trained");
	t.like(trained, { epoch: 3, steps: 3, samples: 10, localLoss: weights.localLoss });
	await aggregator.send({ type: "end", device: id, reason: "finished", epoch: 3, model: 1, tensors: weights.tensors });
	await events.done;
	t.deepEqual(
		events.types.filter((type) => type !== "online"),
		["welcome", "artifact", "round", "step", "step", "step", "trained", "end"],
	);
	const step = events.events.find((event) => event.type === "step");
	t.like(step, { epoch: 3, seq: 0, steps: 3, samples: 4, losses: { A: 0.5 } });
	t.true(run.device.bytesUp > 10 * 4 && run.device.bytesDown > model.client.length);
});

test("sends its validation batches as deployed, the last one marked", async (t) => {
	await using run = await start();
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { epoch: 1, task: "validate" }));
	for (const [seq, last] of [false, true].entries()) {
		const batch = await aggregator.expect("evaluate");
		t.deepEqual([batch.epoch, batch.seq, batch.last], [1, seq, last]);
		await aggregator.send({ type: "received", device: id, of: "evaluate", epoch: 1, seq });
	}
	const validated = await events.next("validated");
	t.like(validated, { epoch: 1, samples: 6 });
	t.true(validated.localAccuracy >= 0 && validated.localAccuracy <= 1);
});

test("keeps to the number of steps and starts from the weights of the round", async (t) => {
	await using run = await start();
	const { aggregator } = run;
	await aggregator.expect("resume");
	const tensors = {
		params: tensor("float32", [model.joint.manifest.client.paramCount], weightsOf("client/params", 0.5)),
		stats: tensor("float32", [model.joint.manifest.client.statCount], weightsOf("client/stats", 1)),
		head: tensor("float32", [model.joint.manifest.head.paramCount], weightsOf("client/head", 0.5)),
	};
	await aggregator.send(trainRound(id, { steps: 1, learningRate: 0, headLearningRate: 0, model: 9, tensors }));
	await aggregator.send(gradientFor(await aggregator.expect("batch")));
	const weights = await aggregator.expect("weights");
	t.deepEqual(weights.tensors.params.data, tensors.params.data, "a learning rate of zero leaves them alone");
	t.is(weights.model, 9);
	t.is(weights.samples, 4);
});

test("asks for the round again when it names weights the device does not hold", async (t) => {
	await using run = await start();
	const { aggregator } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { model: 5 }));
	const resume = await aggregator.expect("resume");
	t.is(resume.awaiting, "round");
	t.is((await run.events.next("rejected")).error.code, "PSGL_DEVICE_WEIGHTS_MISSING");
	await aggregator.send(trainRound(id, { model: 5 }));
	await run.events.next("rejected");
	t.is(aggregator.pending, 0, "asking once is enough");
});

test("ignores gradients of other batches, replayed ones and a repeated round", async (t) => {
	await using run = await start();
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	const first = await aggregator.expect("batch");
	await aggregator.send(gradientFor(first, { seq: 1 }));
	await aggregator.send(gradientFor(first, { epoch: 7 }));
	await aggregator.send(trainRound(id));
	await aggregator.send(gradientFor(first));
	await aggregator.send(gradientFor(first));
	const second = await aggregator.expect("batch");
	t.is(second.seq, 1);
	await aggregator.send(gradientFor(first));
	await aggregator.send(gradientFor(second));
	t.is((await aggregator.expect("batch")).seq, 2);
	t.is(events.types.filter((type) => type === "step").length, 2);
});

test("sends the weights of a finished round again when the round is repeated", async (t) => {
	await using run = await start();
	const { aggregator } = run;
	await aggregator.expect("resume");
	const round = trainRound(id, { steps: 1 });
	await aggregator.send(round);
	await aggregator.send(gradientFor(await aggregator.expect("batch")));
	const weights = await aggregator.expect("weights");
	const received = { type: "received", device: id, of: "weights", epoch: 0, seq: 0 } as const;
	await aggregator.send(received);
	await run.events.next("trained");
	await aggregator.send(round);
	t.deepEqual(await aggregator.expect("weights"), weights);
});

test("goes on with the next round when the aggregator does", async (t) => {
	await using run = await start();
	const { aggregator } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { epoch: 0 }));
	const batch = await aggregator.expect("batch");
	await aggregator.send(trainRound(id, { epoch: 1 }));
	const next = await aggregator.expect("batch");
	t.deepEqual([batch.epoch, next.epoch, next.seq], [0, 1, 0]);
	await aggregator.send({ type: "end", device: id, reason: "stopped", epoch: 1, model: 0 });
	await run.events.done;
	t.like(run.events.events.at(-1), { type: "end", reason: "stopped" });
});

const damaged: readonly (readonly [string, string, (gradient: Uint8Array) => Uint8Array, Partial<WireTensor>])[] = [
	["of another shape", "PSGL_DEVICE_GRADIENT_SHAPE", (bytes) => bytes, { dims: [1, 2], data: Float32Array.of(1, 2) }],
	["with a damaged byte", "PSGL_PROTOCOL_CHECKSUM", (bytes) => bytes.with(bytes.length - 9, 0x55), {}],
];

for (const [name, code, damage, changes] of damaged) {
	test(`maxFaults: refuses a gradient ${name}, asks again, and gives up after five`, async (t) => {
		await using run = await start();
		const { aggregator, events } = run;
		await aggregator.expect("resume");
		await aggregator.send(trainRound(id));
		const batch = await aggregator.expect("batch");
		const good = gradientFor(batch);
		const cutGradient = { ...good.tensors.cutGradient, ...changes } as WireTensor;
		const bad = damage(encodeEnvelope({ ...good, tensors: { cutGradient } }));
		for (let fault = 1; fault < 5; fault++) {
			await aggregator.sendBytes(id, bad);
			const rejected = await events.next("rejected");
			t.is(rejected.error.code, code);
			t.like(await aggregator.expect("resume"), { awaiting: "gradient", epoch: 0, seq: 0 });
		}
		t.false(events.types.includes("step"), "nothing was learned from it");
		await aggregator.sendBytes(id, bad);
		const error = await t.throwsAsync(events.done);
		t.is((error as { code?: string }).code, code);
	});
}

test("learns from the right gradient after a refused one", async (t) => {
	await using run = await start();
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	const batch = await aggregator.expect("batch");
	const dims = [...batch.tensors.smashed.dims.slice(0, -1), 1];
	const short = tensor("float32", dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));
	await aggregator.send(gradientFor(batch, { tensors: { cutGradient: short } }));
	await aggregator.expect("resume");
	await aggregator.send(gradientFor(batch));
	t.is((await events.next("step")).seq, 0);
});

test("asks for a missing answer, then sends the batch again with the same identity and bytes", async (t) => {
	const clock = new ManualClock();
	await using run = await start({}, { clock, answerTimeoutMs: 1000 });
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	const batch = await aggregator.expect("batch");
	await clock.advance(1000);
	t.like(await aggregator.expect("resume"), { awaiting: "gradient", epoch: 0, seq: 0 });
	await events.next("asked-again");
	await clock.advance(1000);
	t.deepEqual(aggregator.pending, 0, "it waits longer the second time");
	await clock.advance(1000);
	t.deepEqual(await aggregator.expect("batch"), batch);
	t.true((await events.next("asked-again")).resent);
	await aggregator.send(gradientFor(batch));
	t.is((await aggregator.expect("batch")).seq, 1);
});

test("does not send a batch again while the aggregator says that it waits there", async (t) => {
	const clock = new ManualClock();
	await using run = await start({}, { clock, answerTimeoutMs: 1000 });
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	const batch = await aggregator.expect("batch");
	for (const pause of [1000, 2000, 4000]) {
		await clock.advance(pause);
		t.like(await aggregator.expect("resume"), { awaiting: "gradient", epoch: 0, seq: 0 });
		t.false((await events.next("asked-again")).resent);
		await aggregator.send({ type: "credit", device: id, epoch: 0, upTo: 1 });
	}
	for (let i = 0; i < 2; i++) {
		await clock.advance(8000);
		await aggregator.expect("resume");
		await events.next("asked-again");
	}
	await clock.advance(8000);
	t.deepEqual(await aggregator.expect("batch"), batch, "it heard nothing any more");
	await aggregator.send(gradientFor(batch));
	t.is((await aggregator.expect("batch")).seq, 1);
});

test("sends a refused batch again when that can help, and ends the round when it cannot", async (t) => {
	await using run = await start();
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id));
	const batch = await aggregator.expect("batch");
	await aggregator.send(gradientFor(batch));
	const second = await aggregator.expect("batch");
	const refused = { type: "refused", device: id, of: "batch", epoch: 0, seq: 1, what: "test" } as const;
	for (let repeats = 0; repeats < 2; repeats++) {
		await aggregator.send({ ...refused, code: "PSGL_PROTOCOL_CHECKSUM", retry: true });
		t.deepEqual(await aggregator.expect("batch"), second);
	}
	await aggregator.send({ ...refused, code: "PSGL_PROTOCOL_CHECKSUM", retry: true });
	await aggregator.send({ ...refused, code: "PSGL_ROUND_OVER", retry: false });
	const weights = await aggregator.expect("weights");
	t.is(weights.samples, 4, "only the batch that was answered counts");
	t.is(events.events.filter((event) => event.type === "refused").length, 4);
});

for (const dtype of ["float16", "int8"] as const) {
	test(`sends smashed data and reads gradients as ${dtype}`, async (t) => {
		await using run = await start({ smashedDtype: dtype, gradientDtype: dtype });
		const { aggregator, events } = run;
		await aggregator.expect("resume");
		await aggregator.send(trainRound(id));
		const batch = await aggregator.expect("batch");
		const smashed = batch.tensors.smashed as WireTensor;
		t.is(smashed.dtype, dtype);
		t.deepEqual(smashed.scale?.dims, dtype === "int8" ? [smashed.dims[1] as number] : []);
		// What came is a valid gradient too: of that element type, with its scale.
		await aggregator.send(gradientFor(batch, { tensors: { cutGradient: smashed } }));
		t.is((await events.next("step")).seq, 0);
	});
}

test("cuts messages into chunks of the negotiated maximum", async (t) => {
	const sizes: number[] = [];
	await using run = await start({ maxMessageBytes: 16_384, batchSize: 10 });
	const { aggregator } = run;
	await aggregator.expect("resume");
	aggregator.onPayload = (payload) => {
		sizes.push(payload.length);
	};
	await aggregator.send(trainRound(id));
	const batch = await aggregator.expect("batch");
	const bytes = batch.tensors.smashed.data.byteLength;
	t.true(bytes < 16_384, "a batch of this size fits");
	await aggregator.send(gradientFor(batch));
	const weights = await aggregator.expect("weights");
	t.true(weights.tensors.params.data.byteLength > 16_384, "the weights do not");
	t.true(sizes.length >= 3 && sizes.every((size) => size <= 16_384));
});

test("stops when aborted and when closed", async (t) => {
	await using run = await start();
	const controller = new AbortController();
	await using other = await Device.connect({
		url: run.aggregator.url,
		id: "other",
		runtime: nodeRuntime,
		data: { train: smallDataset(4) },
	});
	const events = new EventReader(other.train({ signal: controller.signal }));
	await events.next("artifact");
	controller.abort(new Error("enough"));
	await t.throwsAsync(events.done, { message: "enough" });
	await run.events.next("artifact");
	await run.device.close();
	await t.throwsAsync(run.events.done, { code: "PSGL_DEVICE_CLOSED" });
});

test("trains once at a time, and only with data", async (t) => {
	await using run = await start();
	await t.throwsAsync(run.device.train().next(), { code: "PSGL_DEVICE_BUSY" });
	await using other = await Device.connect({ url: run.aggregator.url, id: "other", runtime: nodeRuntime });
	await t.throwsAsync(other.train().next(), { code: "PSGL_DEVICE_NO_DATA" });
});

test("the seed decides the order of the samples, anew in each epoch", async (t) => {
	const order = async (seed: number, epoch: number) => {
		await using run = await start({ seed, batchSize: 10 });
		await run.aggregator.expect("resume");
		await run.aggregator.send(trainRound(id, { epoch }));
		const batch = await run.aggregator.expect("batch");
		return batch.tensors.smashed.data;
	};
	const first = await order(1, 0);
	t.deepEqual(await order(1, 0), first);
	t.notDeepEqual(await order(1, 1), first);
	t.notDeepEqual(await order(2, 0), first);
});

test("a round that is part of a pass makes just its batches of that pass", async (t) => {
	const vector = (name: string) => artifactTensor(model.joint, `client/${name}`);
	const tensors = { params: vector("params"), stats: vector("stats"), head: vector("head") };
	const smashedOf = async (rounds: readonly { steps: number; pass: number; first?: number }[]) => {
		await using run = await start();
		const { aggregator } = run;
		await aggregator.expect("resume");
		const seen: unknown[] = [];
		for (const [i, batches] of rounds.entries()) {
			const epoch = i + 1;
			await aggregator.send(
				trainRound(id, { epoch, ...batches, model: epoch, tensors, learningRate: 0, headLearningRate: 0 }),
			);
			for (let seq = 0; seq < batches.steps; seq++) {
				const batch = await aggregator.expect("batch");
				t.deepEqual([batch.epoch, batch.seq], [epoch, seq]);
				seen.push(batch.tensors.smashed.data);
				await aggregator.send(gradientFor(batch));
			}
			await aggregator.expect("weights");
			await aggregator.send({ type: "received", device: id, of: "weights", epoch, seq: 0 });
			const { passDone } = await run.events.next("trained");
			t.is(passDone, i === rounds.length - 1);
		}
		return seen;
	};
	const whole = await smashedOf([{ steps: 3, pass: 7 }]);
	const parts = [
		{ steps: 1, pass: 7 },
		{ steps: 2, pass: 7, first: 1 },
	];
	t.deepEqual(await smashedOf(parts), whole);
	t.notDeepEqual(await smashedOf([{ steps: 3, pass: 8 }]), whole);
});

function weightsOf(name: string, factor: number): Float32Array {
	const random = seededRandom(3);
	return artifactTensor(model.joint, name).data.map((value) => value * factor + 0.001 * random.uniform());
}

test("smallestBatch: a last batch of one picture is left out, of two it is trained with", async (t) => {
	for (const [samples, sizes] of [
		[9, [4, 4]],
		[10, [4, 4, 2]],
	] as const) {
		await using run = await start({}, { data: { train: smallDataset(samples) } });
		const { aggregator } = run;
		await aggregator.expect("resume");
		await aggregator.send(trainRound(id));
		for (const size of sizes) {
			const batch = await aggregator.expect("batch");
			t.is(batch.tensors.labels.dims[0], size);
			await aggregator.send(gradientFor(batch));
		}
		t.is(
			(await aggregator.expect("weights")).samples,
			sizes.reduce((sum, size) => sum + size, 0),
		);
	}
});
