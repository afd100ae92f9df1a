import { clientHalf, compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { ClientSegmentCache, Device, type DeviceEvent, type DeviceOptions, seededRandom } from "@psgl/sdk";
import { randomisedLabel } from "@psgl/sdk/artifact";
import type { RoundMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { GreedyAggregator } from "../helpers/greedy-aggregator.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";
const segments = new ClientSegmentCache({ runtime: nodeRuntime });
const data = { train: smallDataset(40), validation: smallDataset(8, 2) };
let sessions = 1;

test.after.always(() => segments.close());

async function client(epsilon: number | undefined, seed = 1): Promise<Uint8Array> {
	const { joint } = await smallModel("none", { seed });
	const { disclosure } = joint.manifest;
	const terms = { ...disclosure, ...(epsilon !== undefined && { randomisedLabels: { epsilon } }) };
	return clientHalf({ ...joint, manifest: { ...joint.manifest, disclosure: terms } });
}

/** What comes of `plan`: the labels that an aggregator gets in each round, and the device's losses in each step. */
async function asked(half: Uint8Array, options: Partial<DeviceOptions>, plan: readonly Partial<RoundMessage>[]) {
	await using aggregator = await ScriptedAggregator.start(half, { session: ++sessions });
	const greedy = new GreedyAggregator(aggregator, id, plan);
	await using device = await Device.connect({ url: aggregator.url, id, segments, data, ...options });
	const events = new EventReader<DeviceEvent>(device.train());
	await Promise.race([greedy.done, events.done]);
	await events.done;
	const losses = events.events.flatMap((event) => (event.type === "step" ? [event.localLoss] : []));
	return { labels: greedy.loot.map(({ labels }) => labels), losses };
}

const labelsSent = async (...of: Parameters<typeof asked>) => (await asked(...of)).labels;

const validate: Partial<RoundMessage> = { task: "validate" };

test("a device with randomised labels shows the same label of a sample for ever, in any session and order, and some are others", async (t) => {
	const half = await client(0.5);
	const records: MemoryRecords = new Map();
	const store = () => ({ store: memoryDeviceStore(records) });
	const seen = { ...data, train: undefined, validation: data.train };
	const own = [...data.train.labels];
	const [first, again] = await labelsSent(half, { ...store(), data: seen }, [
		{ ...validate, epoch: 1 },
		{ ...validate, epoch: 2 },
	]);
	t.is(first?.length, 40);
	const turned = (first ?? []).filter((label, n) => label !== own[n]).length;
	t.true(turned > 3 && turned < 30, `${turned} of 40, ${(40 / (1 + Math.exp(0.5))).toFixed(0)} on average`);
	t.deepEqual(again, first);

	const backwards = data.train.subset(Array.from({ length: 40 }, (_, n) => 39 - n));
	const [later] = await labelsSent(half, { ...store(), data: { validation: backwards } }, [{ ...validate, epoch: 1 }]);
	t.deepEqual(later?.toReversed(), first);

	// An artifact that asks for the labels themselves gets what was agreed before.
	const [plain] = await labelsSent(await client(undefined, 2), { ...store(), data: seen }, [{ ...validate, epoch: 1 }]);
	t.deepEqual(plain, first);
	const other = { store: memoryDeviceStore(new Map()), data: seen };
	t.notDeepEqual(
		(await labelsSent(half, other, [{ ...validate, epoch: 1 }]))[0],
		first,
		"each device has a secret of its own",
	);
});

test("what a device trains with is what it shows: its steps are those of a device whose labels these are", async (t) => {
	const half = await client(1);
	const records: MemoryRecords = new Map();
	const seen = { validation: data.train };
	const { labels } = await asked(half, { store: memoryDeviceStore(records), data: seen }, [{ ...validate, epoch: 1 }]);
	const shown = Int32Array.from(labels[0] ?? []);
	t.notDeepEqual(shown, data.train.labels);
	const { shape, classes, samples } = data.train;
	const train = new Dataset({ shape, classes, samples, labels: shown });
	const own = await asked(half, { store: memoryDeviceStore(records), data: { train: data.train } }, [{ epoch: 2 }]);
	const plain = await asked(await client(undefined), { data: { train } }, [{ epoch: 2 }]);
	t.is(own.losses.length, 10);
	t.deepEqual(own, plain, "labels and the losses of all steps");
	const { losses } = await asked(await client(undefined), { data: { train: data.train } }, [{ epoch: 2 }]);
	t.notDeepEqual(losses, own.losses, "the labels themselves give others");
});

test("without a store labels cannot be shown the same way for ever: the model is refused", async (t) => {
	await using aggregator = await ScriptedAggregator.start(await client(1), { session: ++sessions });
	await using device = await Device.connect({ url: aggregator.url, id, segments, data });
	const events: string[] = [];
	const error = await t.throwsAsync(async () => {
		for await (const event of device.train()) events.push(event.type);
	});
	t.is((error as Error & { code: string }).code, "PSGL_LEDGER_VOLATILE");
});

test("where any number of labels may apply, each takes its part of the epsilon that was agreed", async (t) => {
	const { shape, samples, classes } = smallDataset(120);
	const targets = Uint8Array.from({ length: 240 }, (_, i) => (i % 3 === 0 ? 1 : 0));
	const labels = Int32Array.from({ length: 120 }, (_, n) => (targets[2 * n] ? 0 : targets[2 * n + 1] ? 1 : 2));
	const seen = { validation: new Dataset({ shape, classes, samples, labels, targets }) };
	const preset = presetDefinition("none", zooNetwork("lenet"), shape, classes);
	const definition = { ...preset, loss: { kind: "binary-cross-entropy" } as const };
	const several = await clientHalf(await compileArtifact(definition, { name: "several", random: seededRandom(1) }));
	const records: MemoryRecords = new Map();
	await labelsSent(await client(2), { store: memoryDeviceStore(records) }, [{ ...validate, epoch: 1 }]);
	const [marks] = await labelsSent(several, { store: memoryDeviceStore(records), data: seen }, [
		{ ...validate, epoch: 1 },
	]);
	t.is(marks?.length, 240);
	const turned = (marks ?? []).filter((mark, i) => mark !== targets[i]).length / 240;
	t.true(Math.abs(turned - 1 / (1 + Math.E)) < 0.1, `${turned}`);
});

test("a label is kept with e^epsilon to one of each other, whatever it is", (t) => {
	const random = seededRandom(4);
	for (const [classes, epsilon] of [
		[2, 1],
		[5, 2],
	] as const) {
		for (const label of [0, classes - 1]) {
			const counts = new Array<number>(classes).fill(0);
			const draws = 20_000;
			for (let i = 0; i < draws; i++) {
				const shown = randomisedLabel(label, classes, epsilon, random.uniform());
				counts[shown] = (counts[shown] as number) + 1;
			}
			const each = 1 / (Math.exp(epsilon) + classes - 1);
			counts.forEach((count, k) => {
				const share = k === label ? Math.exp(epsilon) * each : each;
				t.true(Math.abs(count / draws - share) < 0.015, `${k} for ${label}: ${count / draws} ${share}`);
			});
		}
	}
	t.is(randomisedLabel(1, 3, 1, 0), 1);
	t.is(randomisedLabel(1, 3, 1, 1 - 2 ** -53), 2);
});
