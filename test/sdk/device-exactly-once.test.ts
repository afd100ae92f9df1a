import { ClientSegmentCache, Device, type DeviceData, type DeviceEvent } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator, type Terms } from "../helpers/scripted-aggregator.js";
import { type SmallModel, smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";
const segments = new ClientSegmentCache({ runtime: nodeRuntime });
let model: SmallModel;

test.before(async () => {
	model = await smallModel();
});
test.after.always(() => segments.close());

async function start(terms: Terms = {}, more: DeviceData = {}) {
	const aggregator = await ScriptedAggregator.start(model.client, terms);
	const data = { train: smallDataset(10), ...more };
	const device = await Device.connect({ url: aggregator.url, id, segments, data });
	const events = new EventReader<DeviceEvent>(device.train());
	await aggregator.expect("resume");
	return {
		aggregator,
		events,
		steps: () => events.types.filter((type) => type === "step").length,
		async [Symbol.asyncDispose]() {
			await device.close();
			await aggregator.close();
		},
	};
}

/** A round of three batches with messages of `noise` before every answer. */
async function round(noise: (seq: number) => readonly Parameters<ScriptedAggregator["send"]>[0][]) {
	await using run = await start();
	const { aggregator } = run;
	await aggregator.send(trainRound(id, { epoch: 3 }));
	for (let seq = 0; seq < 3; seq++) {
		const batch = await aggregator.expect("batch");
		if (batch.seq !== seq) throw new Error(`batch ${batch.seq} instead of ${seq}`);
		for (const message of noise(seq)) await aggregator.send(message);
		const answer = gradientFor(batch);
		await aggregator.send(answer);
		await aggregator.send(answer);
	}
	const weights = await aggregator.expect("weights");
	return { weights, steps: run.steps() };
}

test("copies, late and reordered messages of the aggregator have no effect", async (t) => {
	const quiet = await round(() => []);
	const dims = [4, ...model.joint.manifest.smashedShape];
	const answer = (epoch: number, seq: number) =>
		gradientFor({
			type: "batch",
			device: id,
			epoch,
			seq,
			model: 0,
			tensors: {
				smashed: { dtype: "float32", dims, data: new Float32Array(dims.reduce((a, b) => a * b)) },
				labels: { dtype: "uint8", dims: [4], data: new Uint8Array(4) },
			},
		});
	const other = { ...quiet.weights.tensors, params: { ...quiet.weights.tensors.params } };
	const noisy = await round((seq) => [
		trainRound(id, { epoch: 3 }),
		trainRound(id, { epoch: 2, model: 7, tensors: other }),
		trainRound(id, { epoch: 2, task: "validate", model: 8, tensors: other }),
		answer(3, seq + 1),
		answer(2, seq),
		...(seq > 0 ? [answer(3, seq - 1)] : []),
		{ type: "received", device: id, of: "weights", epoch: 2, seq: 0 },
		{ type: "refused", device: id, of: "batch", epoch: 2, seq, code: "PSGL_ROUND_OVER", what: "over", retry: false },
	]);
	t.is(noisy.steps, 3);
	t.deepEqual(noisy.weights, quiet.weights);
});

test("the last round again is answered with its weights again, an older one with nothing", async (t) => {
	await using run = await start();
	const { aggregator, events } = run;
	await aggregator.send(trainRound(id, { epoch: 3 }));
	for (let seq = 0; seq < 3; seq++) await aggregator.send(gradientFor(await aggregator.expect("batch")));
	const first = await aggregator.expect("weights");
	await aggregator.send({ type: "received", device: id, of: "weights", epoch: 3, seq: 0 });
	await events.next("trained");
	await aggregator.send(trainRound(id, { epoch: 2 }));
	await aggregator.send(trainRound(id, { epoch: 3 }));
	t.deepEqual(await aggregator.expect("weights"), first);
	t.is(run.steps(), 3);
});

for (const [what, session, again] of [
	["of the same session", 1, false],
	["of another session", 2, true],
	["without a session", undefined, true],
] as const) {
	test(`a welcome ${what}, then the round again: ${again ? "begun anew" : "a copy"}`, async (t) => {
		await using run = await start(session === undefined ? { session } : { session: 1 });
		const { aggregator } = run;
		await aggregator.send(trainRound(id, { epoch: 3 }));
		await aggregator.send(gradientFor(await aggregator.expect("batch")));
		const second = await aggregator.expect("batch");
		aggregator.terms = { ...aggregator.terms, session };
		await aggregator.enrol({ device: id, artifacts: [aggregator.digest] });
		t.like(await aggregator.expect("resume"), { awaiting: "gradient", epoch: 3, seq: 1 });
		const tensors = {
			params: artifactTensor(model.joint, "client/params"),
			stats: artifactTensor(model.joint, "client/stats"),
			head: artifactTensor(model.joint, "client/head"),
		};
		await aggregator.send(trainRound(id, { epoch: 3, tensors }));
		if (again) t.is((await aggregator.expect("batch")).seq, 0);
		else {
			await aggregator.send(gradientFor(second));
			t.is((await aggregator.expect("batch")).seq, 2);
		}
	});
}

test("a validation round asked for again is measured again, as an aggregator that lost the first answers needs it", async (t) => {
	await using run = await start({}, { validation: smallDataset(6, 2) });
	const { aggregator } = run;
	const round = trainRound(id, { epoch: 3, task: "validate" });
	for (let times = 0; times < 2; times++) {
		await aggregator.send(round);
		for (let seq = 0; seq < 2; seq++) {
			t.like(await aggregator.expect("evaluate"), { epoch: 3, seq, last: seq === 1 });
			await aggregator.send({ type: "received", device: id, of: "evaluate", epoch: 3, seq });
		}
		t.like(await run.events.next("validated"), { samples: 6 });
	}
});
