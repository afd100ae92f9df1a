import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeEntry } from "@psgl/cloud";
import { Device, type DeviceEvent, seededRandom, systemClock } from "@psgl/sdk";
import { type AggregatorMessage, ChunkAssembler, type DeviceMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import test, { type ExecutionContext } from "ava";
import { type Cloud, startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import { tcpTap } from "../helpers/tcp-tap.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const settings = { rounds: 3, minDevices: 2, batchSize: 16, averageEvery: 2, learningRate: 0.01, seed: 3 };
const shares = { train: 48, validation: 24 };
const typesOfTwoWays = ["backward", "features", "figures", "forward", "gradient", "weights"];

/** The small pictures with labels drawn by chance, so that a run of them is like nothing else. */
function withLabels(samples: Dataset, seed: number): Dataset {
	const random = seededRandom(seed);
	const { shape, classes, length } = samples;
	const labels = Int32Array.from({ length }, () => random.integer(2));
	return new Dataset({ shape, classes, labels, samples: samples.batch(Uint32Array.from(labels.keys())).x.data });
}

function dataOf(device: number, labels: number) {
	return {
		train: withLabels(smallDataset(shares.train, device), labels + device),
		validation: withLabels(smallDataset(shares.validation, 10 + device), labels + 10 + device),
	};
}

interface Observed {
	/** Messages of both ways, in the order of each device's topic. */
	readonly messages: readonly (DeviceMessage | AggregatorMessage)[];
	/** Every byte on the link and in the journal. */
	readonly bytes: readonly Buffer[];
	readonly events: readonly DeviceEvent[];
}

/** Trains two devices over a tapped link into a journal and keeps all that was to be seen. */
async function observe(t: ExecutionContext, labels: number, mode: "none" | "robust"): Promise<Observed> {
	const { joint } = await smallModel(mode, { labels: "device" });
	const journal = await temporaryFolder(t);
	const down: AggregatorMessage[] = [];
	await using cloud = await startCloud(joint, settings, { journal });
	await using tap = await tcpTap(Number(new URL(cloud.url).port));
	const url = `mqtt://127.0.0.1:${tap.port}`;
	const readers: EventReader<DeviceEvent>[] = [];
	const devices: Device[] = [];
	for (const n of [1, 2]) {
		const id = `device-${n}`;
		const transport = mqttTransport({ url, clientId: id, clock: systemClock, random: seededRandom(n) });
		const assembler = new ChunkAssembler({
			from: "aggregator",
			device: id,
			clock: systemClock,
			onExpired: () => t.fail(),
		});
		const { subscribe } = transport;
		transport.subscribe = (filter, listener, options) =>
			subscribe.call(
				transport,
				filter,
				(message) => {
					const received = assembler.accept(message.payload);
					if (received !== undefined) down.push(received.message);
					return listener(message);
				},
				options,
			);
		const device = await Device.connect({ transport, id, runtime: nodeRuntime, data: dataOf(n, labels) });
		devices.push(device);
		readers.push(new EventReader<DeviceEvent>(device.train()));
	}
	const result = await cloud.aggregator.result;
	await Promise.all(readers.map((reader) => reader.done));
	t.like(result.counts, { lost: 0, doubled: 0, refused: 0, applied: 18 });
	for (const device of devices) await device.close();
	const files = await readdir(journal);
	const kept = await Promise.all(files.map((file) => readFile(join(journal, file))));
	const messages = [...(await published(cloud)), ...down].sort(byDevice);
	return { messages, bytes: [tap.bytes(), ...kept], events: readers.flatMap(({ events }) => events) };
}

/** What devices published, whole, by device. */
async function published({ broker: { log } }: Cloud): Promise<DeviceMessage[]> {
	const assemblers = new Map<string, ChunkAssembler<"device">>();
	const messages: DeviceMessage[] = [];
	for await (const { position, bytes } of log.read(0)) {
		if (bytes[0] !== 0) {
			const { device, channel, payload } = decodeEntry(bytes);
			const assembler =
				assemblers.get(device) ??
				new ChunkAssembler({ from: "device", device, clock: systemClock, onExpired: () => {} });
			assemblers.set(device, assembler);
			const received = channel === "up" ? assembler.accept(payload) : undefined;
			if (received !== undefined) messages.push(received.message);
		}
		if (position === log.end - 1) break;
	}
	return messages;
}

/** Those of one device stay in their order; whose comes first is the link's affair. */
function byDevice(a: { readonly device: string }, b: { readonly device: string }): number {
	return a.device < b.device ? -1 : a.device > b.device ? 1 : 0;
}

/** A message without the values of its tensors: what else could carry a label. */
function shell(message: DeviceMessage | AggregatorMessage) {
	const { tensors = {}, ...fields } = message as {
		tensors?: Record<string, { dims: readonly number[]; dtype: string }>;
	};
	return {
		...fields,
		...("session" in fields && { session: 0 }),
		tensors: Object.entries(tensors).map(([name, { dims, dtype }]) => [name, dtype, dims.join()]),
	};
}

for (const mode of ["none", "robust"] as const) {
	test(`${mode}: no label is in any byte on the link or in the journal, and other labels change nothing but gradients and weights`, async (t) => {
		const one = await observe(t, 100, mode);
		const other = await observe(t, 900, mode);
		for (const { messages } of [one, other]) {
			const types = new Set(messages.map(({ type }) => type));
			t.deepEqual([...types].filter((type) => typesOfTwoWays.includes(type)).sort(), typesOfTwoWays);
			for (const type of ["batch", "evaluate", "codes", "scores"] as const) t.false(types.has(type), type);
		}
		// Labels as devices would send or keep them: a batch of them in a row, in any element type.
		for (const device of [1, 2]) {
			for (const { labels } of Object.values(dataOf(device, 100))) {
				for (const list of [Uint8Array, Int32Array, BigInt64Array, Float32Array]) {
					const some = Array.from(labels.subarray(0, 12), (label) => (list === BigInt64Array ? BigInt(label) : label));
					const { buffer } = (list as unknown as { from(values: unknown[]): Uint8Array }).from(some);
					for (const bytes of one.bytes) t.is(bytes.indexOf(Buffer.from(buffer)), -1, list.name);
				}
			}
		}
		t.true(one.bytes.filter(({ length }) => length > 10_000).length >= 2, "the link and the journal");
		t.true(
			one.bytes.some((bytes) => bytes.includes("featureGradient")),
			"the bytes can be read",
		);

		// Everything but the values of tensors, and two rounded figures, is the same for other labels.
		const told = ({ messages }: Observed) =>
			messages
				// Which round was the best, by the figures, decides whether its weights go out with the end.
				.filter(({ type }) => !["resume", "refused", "artifact", "end"].includes(type))
				.map(shell)
				.map((each) => JSON.stringify({ ...each, ...("accuracy" in each && { accuracy: 0, loss: 0 }) }));
		// On a busy machine a message may be asked for, and come, twice.
		t.deepEqual([...new Set(told(other))].sort(), [...new Set(told(one))].sort());
		const forwards = ({ messages }: Observed) => messages.filter((m) => m.type === "forward");
		t.deepEqual(forwards(other)[0], forwards(one)[0], "before the first gradient nothing differs at all");
		t.notDeepEqual(forwards(other).at(-1), forwards(one).at(-1), "after it, what was learned does");
		for (const message of one.messages) {
			if (message.type === "weights") t.is(message.localLoss, undefined);
			if (message.type === "gradient") t.deepEqual(message.losses, []);
			if (message.type === "figures") t.is(Math.round(100 * (message.accuracy ?? 0)) / 100, message.accuracy ?? -1);
		}
		const steps = one.events.filter((event) => event.type === "step");
		t.true(
			steps.every(({ losses }) => (losses.A ?? 0) > 0),
			"the device knows its own losses",
		);
	});
}

test("the device decides on features that come back, and the aggregator measures by figures alone", async (t) => {
	const { joint } = await smallModel("robust", { labels: "device" });
	await using cloud = await startCloud(joint, { ...settings, rounds: 6, minDevices: 1 });
	const data = { train: smallDataset(64), validation: smallDataset(32, 2) };
	await using device = await Device.connect({ url: cloud.url, id: "a", runtime: nodeRuntime, data });
	const reader = new EventReader<DeviceEvent>(device.train());
	const { validation } = await cloud.aggregator.result;
	await reader.done;
	t.is(validation?.fused?.samples, 32);
	t.true((validation?.fused?.accuracy ?? 0) > 0.9, JSON.stringify(validation));
	t.true(Number.isNaN(validation?.fused?.auc), "what needs the labels is not known");
	const { x, y } = smallDataset(20, 5).batch(Uint32Array.from({ length: 20 }, (_, i) => i));
	const decision = await device.infer(x);
	t.is(decision.source, "aggregator");
	t.deepEqual(Object.keys(decision.streams), ["A", "R", "F", "fused"]);
	const right = decision.classes.filter((decided, i) => BigInt(decided) === y.data[i]).length;
	t.true(right >= 18, `${right} of 20`);
});
