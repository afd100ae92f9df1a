import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Aggregator, type AggregatorResult, type AggregatorSettings, cloudLimits, startBroker } from "@psgl/cloud";
import { Device, type DeviceData } from "@psgl/sdk";
import { type Artifact, artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";
import type { Strategy } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** Devices of different sizes, the last one with a batch that is not full. */
const shares: readonly DeviceData[] = [
	{ train: smallDataset(24, 1), validation: smallDataset(8, 11) },
	{ train: smallDataset(16, 2), validation: smallDataset(8, 12) },
	{ train: smallDataset(20, 3), validation: smallDataset(8, 13) },
];

/** A whole run with a real device for each share, which are all closed at its end. */
async function train(
	artifact: Artifact,
	settings: AggregatorSettings,
	options: { readonly checkpointFile?: string; readonly data?: readonly DeviceData[] } = {},
): Promise<AggregatorResult> {
	const { checkpointFile, data = shares } = options;
	await using cloud = await startCloud(
		artifact,
		{ minDevices: data.length, batchSize: 8, groupSize: 2, rounds: 2, seed: 5, ...settings },
		checkpointFile === undefined ? {} : { checkpointFile },
	);
	await Promise.all(
		data.map(async (own, i) => {
			await using device = await Device.connect({ url: cloud.url, id: `device-${i}`, runtime: nodeRuntime, data: own });
			for await (const event of device.train()) if (event.type === "rejected") throw event.error;
		}),
	);
	return cloud.aggregator.result;
}

const weightNames = ["client/params", "client/stats", "client/head", "server/params", "server/stats"];

async function weightsOf(bytes: Uint8Array): Promise<readonly Float32Array[]> {
	const artifact = await decodeArtifact(bytes);
	return weightNames.map((name) => artifactTensor(artifact, name).data);
}

for (const strategy of ["splitfed-v2", "splitfed-v1", "sequential"] satisfies Strategy[]) {
	test(`${strategy}: trains, counts every batch once, and gives the same bits for the same seed`, async (t) => {
		const { joint } = await smallModel("none", { seed: 3 });
		const [first, second, other] = await Promise.all([
			train(joint, { strategy }),
			train(joint, { strategy }),
			train(joint, { strategy, seed: 6 }),
		]);
		t.like(first, { reason: "finished", rounds: 2 });
		t.like(first.counts, { received: 16, applied: 16, refused: 0, duplicates: 0, lost: 0, doubled: 0, samples: 120 });
		t.deepEqual(await weightsOf(first.artifact), await weightsOf(second.artifact));
		t.notDeepEqual(await weightsOf(first.artifact), await weightsOf(other.artifact));
		t.is((await decodeArtifact(first.artifact)).manifest.version, joint.manifest.version + 1);
		t.is(first.validation?.fused?.samples, 24);
		t.true(first.traffic.bytesUp > first.traffic.batchBytesUp && first.traffic.batchBytesUp > 0);
		t.true(first.traffic.bytesDown > first.traffic.gradientBytesDown && first.traffic.gradientBytesDown > 0);
	});
}

test("client segments averaged within a round: every batch still counts once, and the bits repeat", async (t) => {
	const { joint } = await smallModel("none", { seed: 3 });
	const [everyBatch, again, everySecond, everyRound] = await Promise.all(
		[1, 1, 2, 0].map((averageEvery) => train(joint, { averageEvery })),
	);
	for (const run of [everyBatch, everySecond, everyRound]) {
		t.like(run?.counts, { received: 16, applied: 16, refused: 0, duplicates: 0, lost: 0, doubled: 0, samples: 120 });
		t.is(run?.rounds, 2);
	}
	const weights = await Promise.all(
		[everyBatch, again, everySecond, everyRound].map((run) => weightsOf(run?.artifact as Uint8Array)),
	);
	t.deepEqual(weights[0], weights[1]);
	t.notDeepEqual(weights[0], weights[2]);
	t.notDeepEqual(weights[2], weights[3]);
});

test("with one device there is nothing to average: legs make the very steps of a whole round", async (t) => {
	const { joint } = await smallModel("none", { seed: 3 });
	const data = shares.slice(0, 1);
	const [inLegs, whole] = await Promise.all(
		[1, 0].map((averageEvery) => train(joint, { averageEvery, weightAveraging: false }, { data })),
	);
	t.deepEqual(
		await weightsOf(inLegs?.artifact as Uint8Array),
		await weightsOf(whole?.artifact as Uint8Array),
		"same batches in the same order",
	);
});

test("the result is the mean of the weights along the second half of the run, on the device and on the aggregator", async (t) => {
	const { joint } = await smallModel("none", { seed: 3 });
	// Without validation no round is better than another: the result is what was reached last.
	const data = [{ train: smallDataset(24, 1) }];
	const settings = { schedule: { kind: "constant", warmUpRounds: 0 } as const, averageEvery: 0 };
	const [third, fourth, averaged] = await Promise.all([
		train(joint, { ...settings, rounds: 3, weightAveraging: false }, { data }),
		train(joint, { ...settings, rounds: 4, weightAveraging: false }, { data }),
		train(joint, { ...settings, rounds: 4 }, { data }),
	]);
	const [before, after, mean] = await Promise.all([third, fourth, averaged].map((run) => weightsOf(run.artifact)));
	for (const [i, name] of weightNames.entries()) {
		const [a, b] = [before?.[i] as Float32Array, after?.[i] as Float32Array];
		t.notDeepEqual(a, b, name);
		t.deepEqual(
			mean?.[i],
			a.map((value, k) => value + ((b[k] as number) - value) / 2),
			name,
		);
	}
});

test("training ends early when validation gets no better, with the best round's weights", async (t) => {
	const { joint } = await smallModel();
	// Steps so small that the validation stays as it is after the first round.
	const result = await train(joint, { rounds: 50, patience: 2, learningRate: 1e-30 });
	t.is(result.reason, "early-stop");
	t.is(result.rounds, result.bestRound + 2);
	t.true(result.rounds < 50);
});

test("checkpointsKept: a run goes on from its checkpoint, and keeps so many", async (t) => {
	const folder = await temporaryFolder(t);
	const checkpointFile = join(folder, "run.checkpoint");
	const { joint } = await smallModel();
	const first = await train(joint, { rounds: 2 }, { checkpointFile });
	t.is(first.rounds, 2);
	const before = await readFile(checkpointFile);
	await using broker = await startBroker({ port: 0 });
	await using resumed = await Aggregator.start({
		artifact: joint,
		runtime: nodeRuntime,
		broker,
		checkpointFile,
		settings: { rounds: 2 },
	});
	const events = resumed.events();
	t.deepEqual((await events.next()).value, { type: "resumed", round: 2, sameRuntime: true, damaged: 0 });
	const again = await resumed.result;
	t.is(again.rounds, 2);
	t.is(again.bestRound, first.bestRound);
	t.deepEqual(await weightsOf(again.artifact), await weightsOf(first.artifact));
	await resumed.checkpoint(checkpointFile);
	t.deepEqual(await readFile(checkpointFile), before, "reading and writing a checkpoint changes nothing");
	await using otherThreads = await Aggregator.start({
		artifact: joint,
		runtime: nodeRuntime,
		broker,
		checkpointFile,
		settings: { rounds: 2 },
		threads: 2,
	});
	t.deepEqual(
		(await otherThreads.events().next()).value,
		{ type: "resumed", round: 2, sameRuntime: false, damaged: 0 },
		"threads change the last bits",
	);
	await otherThreads.close();
	const longer = await train(joint, { rounds: 3 }, { checkpointFile });
	t.is(longer.rounds, 3);
	t.is(longer.counts.applied, 8, "only the third round was trained");
	const most = await train(joint, { rounds: 3 + cloudLimits.checkpointsKept }, { checkpointFile });
	t.is(most.rounds, 3 + cloudLimits.checkpointsKept);
	t.is((await readdir(folder)).length, cloudLimits.checkpointsKept, "the newest are kept");
});

test("a checkpoint that is damaged, or of another model, is refused", async (t) => {
	const folder = await temporaryFolder(t);
	const checkpointFile = join(folder, "run.checkpoint");
	const { joint } = await smallModel();
	await using broker = await startBroker({ port: 0 });
	const open = (artifact: Artifact) =>
		Aggregator.start({ artifact, runtime: nodeRuntime, broker, checkpointFile, settings: { rounds: 0 } });
	{
		await using aggregator = await open(joint);
		await aggregator.result;
		await aggregator.checkpoint(checkpointFile);
		await t.throwsAsync(aggregator.checkpoint(join(folder, "missing", "file")), { code: "PSGL_CHECKPOINT_WRITE" });
	}
	const bytes = await readFile(checkpointFile);
	const other = await smallModel("none", { seed: 2 });
	await t.throwsAsync(open(other.joint), { code: "PSGL_CHECKPOINT_MODEL" });
	for (const damaged of [
		bytes.subarray(0, bytes.length - 1),
		bytes.subarray(0, 3),
		flip(bytes, 40),
		flip(bytes, bytes.length - 50),
	]) {
		await writeFile(checkpointFile, damaged);
		await t.throwsAsync(open(joint), { code: "PSGL_CHECKPOINT_DAMAGED" });
	}
});

test("answers requests for decisions after training, also of devices that come only then", async (t) => {
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, { rounds: 3, batchSize: 8 });
	const data = { train: smallDataset(80), validation: smallDataset(20, 9) };
	await using first = await Device.connect({ url: cloud.url, id: "first", runtime: nodeRuntime, data });
	for await (const _ of first.train());
	const { x, y } = smallDataset(16, 20).batch(Array.from({ length: 16 }, (_, i) => i));
	const decision = await first.infer(x);
	t.like(decision, { source: "aggregator", arrived: 1 });
	t.deepEqual([...decision.classes], Array.from(y.data, Number));
	await using late = await Device.connect({ url: cloud.url, id: "late", runtime: nodeRuntime });
	await late.ready();
	const same = await late.infer(x);
	t.is(same.source, "aggregator");
	t.deepEqual(same.scores.data, decision.scores.data, "the late device has the trained weights");
});

function flip(bytes: Buffer, at: number): Buffer {
	const copy = Buffer.from(bytes);
	copy[at] = (copy[at] as number) ^ 1;
	return copy;
}
