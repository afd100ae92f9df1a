import { Device, type DeviceOptions, tensor } from "@psgl/sdk";
import type { InferMessage, ScoresMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { ManualClock } from "../helpers/manual-clock.js";
import { ScriptedAggregator, type Terms } from "../helpers/scripted-aggregator.js";
import { type SmallModel, smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";
const { x } = smallDataset(3).batch([0, 1, 2]);
let model: SmallModel;

test.before(async () => {
	model = await smallModel("paper");
});

async function start(terms: Terms = {}, options: Partial<DeviceOptions> = {}) {
	const aggregator = await ScriptedAggregator.start(model.client, { mapBudget: 0.5, ...terms });
	const device = await Device.connect({ url: aggregator.url, id, runtime: nodeRuntime, ...options });
	return {
		aggregator,
		device,
		async [Symbol.asyncDispose]() {
			await device.close();
			await aggregator.close();
		},
	};
}

/** Scores of two streams and the decision, the same for every picture. */
function scoresFor(request: InferMessage, changes: Partial<ScoresMessage> = {}): ScoresMessage {
	const { device, seq, session, model: version, tensors } = request;
	const count = tensors.smashed.dims[0] as number;
	const rows = [0.9, 0.1, 0.6, 0.4, 0.2, 0.8];
	const scores = tensor(
		"float32",
		[count, 3, 2],
		Float32Array.from({ length: count * 6 }, (_, i) => rows[i % 6] as number),
	);
	const streams = ["A", "R", "fused"];
	return { type: "scores", device, seq, session, model: version, streams, arrived: 1, tensors: { scores }, ...changes };
}

test("sends smashed data and gets the decision of the whole system", async (t) => {
	await using run = await start();
	const deciding = run.device.infer(x);
	const request = await run.aggregator.expect("infer");
	t.true(request.allowPartial);
	t.deepEqual(request.tensors.smashed.dims, [3, ...model.joint.manifest.smashedShape]);
	t.deepEqual(Object.keys(request.tensors), ["smashed"], "and nothing else");
	await run.aggregator.send(scoresFor(request, { arrived: 0.5 }));
	const decision = await deciding;
	t.is(decision.source, "aggregator");
	t.deepEqual([...decision.classes], [1, 1, 1]);
	t.deepEqual(decision.scores.dims, [3, 2]);
	t.deepEqual(decision.scores.data, Float32Array.of(0.2, 0.8, 0.2, 0.8, 0.2, 0.8));
	t.deepEqual(decision.streams.A?.data, Float32Array.of(0.9, 0.1, 0.9, 0.1, 0.9, 0.1));
	t.is(decision.arrived, 0.5);
	t.is(decision.model, 0);
});

test("keeps answers apart, and ignores those of another session", async (t) => {
	await using run = await start();
	const first = run.device.infer(x, { allowPartial: false });
	const firstRequest = await run.aggregator.expect("infer");
	t.false(firstRequest.allowPartial);
	const second = run.device.infer(smallDataset(1).batch([0]).x);
	const secondRequest = await run.aggregator.expect("infer");
	t.is(secondRequest.seq, firstRequest.seq + 1);
	await run.aggregator.send(scoresFor(firstRequest, { session: firstRequest.session + 1, arrived: 0.1 }));
	await run.aggregator.send(scoresFor(secondRequest));
	await run.aggregator.send(scoresFor(firstRequest, { arrived: 0.9 }));
	t.is((await second).classes.length, 1);
	t.is((await first).arrived, 0.9);
});

test("a decision of the local head tells how it does on the device's own last labelled samples", async (t) => {
	const clock = new ManualClock();
	const validation = smallDataset(70, 4);
	for (const data of [{ train: smallDataset(10), validation }, { train: validation }]) {
		await using run = await start({}, { clock, inferTimeoutMs: 1000, data });
		const late = run.device.infer(x);
		await run.aggregator.expect("infer");
		await clock.advance(1000);
		const { localAccuracy } = await late;
		// All but the first six of seventy, asked one after the other.
		let right = 0;
		for (let i = 6; i < 70; i++) {
			const deciding = run.device.infer(validation.batch([i]).x);
			await run.aggregator.expect("infer");
			await clock.advance(1000);
			if ((await deciding).classes[0] === validation.labels[i]) right++;
		}
		t.deepEqual(localAccuracy, { accuracy: right / 64, samples: 64, trainedOn: data.train === validation });
	}
	await using bare = await start({}, { clock, inferTimeoutMs: 1000, data: undefined });
	const late = bare.device.infer(x);
	await bare.aggregator.expect("infer");
	await clock.advance(1000);
	t.like(await late, { source: "local-head", localAccuracy: undefined });
});

test("the local head decides when no answer comes in time, when it is refused, and when it does not fit", async (t) => {
	const clock = new ManualClock();
	await using run = await start({}, { clock, inferTimeoutMs: 1000 });
	const late = run.device.infer(x);
	await run.aggregator.expect("infer");
	await clock.advance(1000);
	const decision = await late;
	t.is(decision.source, "local-head");
	t.deepEqual(decision.scores.dims, [3, 2]);
	t.is(decision.arrived, 0);
	for (let b = 0; b < 3; b++) {
		const [p = 0, q = 0] = decision.scores.data.subarray(2 * b, 2 * b + 2);
		t.true(Math.abs(p + q - 1) < 1e-6, "probabilities");
		t.is(decision.classes[b], p >= q ? 0 : 1);
	}

	const refused = run.device.infer(x);
	const { seq } = await run.aggregator.expect("infer");
	await run.aggregator.send({
		type: "refused",
		device: id,
		of: "infer",
		seq,
		code: "PSGL_TEST",
		what: "no",
		retry: false,
	});
	t.is((await refused).source, "local-head");

	const misfit = run.device.infer(x);
	const request = await run.aggregator.expect("infer");
	await run.aggregator.send(scoresFor(request, { streams: ["A", "fused"] }));
	t.is((await misfit).source, "local-head");
});

test("the local head decides while the link is down", async (t) => {
	let lost: () => void = () => undefined;
	const offline = new Promise<void>((resolve) => {
		lost = resolve;
	});
	await using run = await start({}, { onLinkEvent: (event) => event.type === "offline" && lost() });
	const online = run.device.infer(x);
	await run.aggregator.send(scoresFor(await run.aggregator.expect("infer")));
	await online;
	await run.aggregator.broker.close();
	await offline;
	t.is((await run.device.infer(x)).source, "local-head");
});

test("gets the weights of today before it decides", async (t) => {
	await using run = await start({ model: 4 });
	const deciding = run.device.infer(x);
	t.is((await run.aggregator.expect("resume")).awaiting, "round");
	const { manifest, tensors } = model.joint;
	const vector = (name: string) => ({ ...(tensors.get(name) as NonNullable<ReturnType<typeof tensors.get>>) });
	t.true(manifest.version < 4);
	const weights = { params: vector("client/params"), stats: vector("client/stats"), head: vector("client/head") };
	weights.head.data = weights.head.data.map((value) => value + 1);
	await run.aggregator.send({
		type: "end",
		device: id,
		reason: "finished",
		epoch: 9,
		model: 4,
		tensors: weights,
	});
	const request = await run.aggregator.expect("infer");
	t.is(request.model, 4);
	await run.aggregator.send(scoresFor(request));
	t.is((await deciding).model, 4);
});

test("refuses samples of another shape or with infinite values, and says that there is no model", async (t) => {
	await using run = await start();
	const wide = tensor("float32", [1, 1, 8, 9], new Float32Array(72));
	await t.throwsAsync(run.device.infer(wide), { code: "PSGL_DEVICE_SHAPE", message: /\[1,8,9\].*\[1,8,8\]/ });
	const infinite = { ...x, data: x.data.slice() };
	infinite.data[64] = Number.POSITIVE_INFINITY;
	await t.throwsAsync(run.device.infer(infinite), { code: "PSGL_DEVICE_NOT_FINITE", message: /sample 1/ });
	t.is(run.aggregator.pending, 0, "nothing was sent");

	const clock = new ManualClock();
	run.aggregator.enrols = false;
	await using other = await Device.connect({ url: run.aggregator.url, id: "other", runtime: nodeRuntime, clock });
	const deciding = other.infer(x);
	await run.aggregator.expect("hello");
	await clock.advance(5_000);
	await t.throwsAsync(deciding, { code: "PSGL_DEVICE_NO_MODEL", message: /no answer to hello/ });
	const signal = AbortSignal.abort(new Error("enough"));
	await t.throwsAsync(run.device.infer(x, { signal }), { message: "enough" });
});
