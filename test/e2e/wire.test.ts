import type { AggregatorSettings } from "@psgl/cloud";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { Device, type DeviceEvent, type DeviceOptions, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { smallDataset, smallModel, smallShape } from "../helpers/small-model.js";

test("each device gets the narrowest wire both sides know; devices of several kinds train together, deflated or not", async (t) => {
	const { joint } = await smallModel("robust");
	const settings = { rounds: 2, batchSize: 4, minDevices: 3, deflate: true, window: 2 };
	await using cloud = await startCloud(joint, { ...settings, smashedDtype: "int4", gradientDtype: "int8" });
	const train = async (id: string, options: Partial<DeviceOptions>) => {
		const data = { train: smallDataset(16), validation: smallDataset(4, 2) };
		await using device = await Device.connect({ url: cloud.url, id, runtime: nodeRuntime, data, ...options });
		const events = new EventReader<DeviceEvent>(device.train());
		const { smashedDtype, gradientDtype } = await events.next("welcome");
		await events.done;
		return { types: [smashedDtype, gradientDtype], bytes: device.bytesUp };
	};
	const all = await Promise.all([
		train("all", {}),
		train("no-int4", { dtypes: ["float32", "float16", "int8"] }),
		train("old", { dtypes: ["float32"] }),
	]);
	t.deepEqual(
		all.map(({ types }) => types.join()),
		["int4,int8", "int8,int8", "float32,float32"],
	);
	const [narrow = 0, , wide = 0] = all.map(({ bytes }) => bytes);
	t.true(narrow < wide);
	const { counts } = await cloud.aggregator.result;
	t.like(counts, { lost: 0, doubled: 0, refused: 0 });
	t.is(counts.applied, 2 * 3 * 4);
});

test("an artifact names the wire of runs that name none, and narrow ones are deflated unless a run says otherwise", async (t) => {
	const definition = presetDefinition("none", zooNetwork("lenet"), smallShape, ["dark", "bright"]);
	const train = async (wire: "int8" | "int4", settings: AggregatorSettings) => {
		const artifact = await compileArtifact(definition, { name: "wire", random: seededRandom(1), wire });
		await using cloud = await startCloud(artifact, { rounds: 1, batchSize: 8, averageEvery: 0, ...settings });
		const data = { train: smallDataset(16) };
		await using device = await Device.connect({ url: cloud.url, id: "ward-3", runtime: nodeRuntime, data });
		const events = new EventReader<DeviceEvent>(device.train());
		const { smashedDtype, gradientDtype } = await events.next("welcome");
		await events.done;
		return { types: `${smashedDtype},${gradientDtype}`, bytes: device.bytesUp };
	};
	const [deflated, plain, nibbles, named] = [
		await train("int8", {}),
		await train("int8", { deflate: false }),
		await train("int4", {}),
		await train("int8", { smashedDtype: "float32" }),
	];
	t.deepEqual(
		[deflated, plain, nibbles, named].map(({ types }) => types),
		["int8,int8", "int8,int8", "int4,int8", "float32,float32"],
	);
	t.true(deflated.bytes < plain.bytes && nibbles.bytes < deflated.bytes && plain.bytes < named.bytes);
});
