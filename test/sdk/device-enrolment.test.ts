import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ClientSegmentCache, Device, type DeviceEvent, type DeviceOptions, type Runtime } from "@psgl/sdk";
import { decodeArtifact, encodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { ScriptedAggregator } from "../helpers/scripted-aggregator.js";
import { type SmallModel, smallDataset, smallModel, smallShape } from "../helpers/small-model.js";

const id = "ward-3-pi";
let model: SmallModel;

test.before(async () => {
	model = await smallModel();
});

/** What `train` ends with when the aggregator hands out `artifact`. */
async function enrolWith(artifact: Uint8Array, options: Partial<DeviceOptions> = {}) {
	await using aggregator = await ScriptedAggregator.start(artifact);
	await using device = await Device.connect({
		url: aggregator.url,
		id,
		runtime: nodeRuntime,
		data: { train: smallDataset(6) },
		...options,
	});
	const events = new EventReader(device.train());
	try {
		await events.next("artifact");
		return undefined;
	} catch (error) {
		return error as Error & { code: string };
	}
}

test("introduces itself with what it has and can do", async (t) => {
	await using aggregator = await ScriptedAggregator.start(model.client);
	aggregator.enrols = false;
	const data = { train: smallDataset(10), validation: smallDataset(4) };
	await using device = await Device.connect({ url: aggregator.url, id, runtime: nodeRuntime, data, agent: "test 1" });
	const hello = await aggregator.expect("hello");
	t.like(hello, {
		device: id,
		protocols: [1, 2],
		samples: { train: 10, validation: 4 },
		classes: 2,
		inputShape: [...smallShape],
		dtypes: ["float32", "float16", "int8"],
		maxMessageBytes: 1_000_000,
		agent: "test 1",
		artifacts: [],
	});
	t.true(device.online);
	t.is(device.id, id);
});

test("announces itself as online, and as offline when it leaves", async (t) => {
	await using aggregator = await ScriptedAggregator.start(model.client);
	aggregator.enrols = false;
	const device = await Device.connect({ url: aggregator.url, id, runtime: nodeRuntime });
	await aggregator.expect("hello");
	await device.close();
	await aggregator.expect("bye");
	t.deepEqual(
		aggregator.statuses.map((status) => status.state),
		["online", "offline"],
	);
	t.false(device.online);
});

test("one set of compiled graphs serves a whole fleet, and later devices need not fetch the artifact", async (t) => {
	let loads = 0;
	const counting: Runtime = {
		version: nodeRuntime.version,
		load: (bytes, options) => {
			loads++;
			return nodeRuntime.load(bytes, options);
		},
	};
	await using aggregator = await ScriptedAggregator.start(model.client);
	await using segments = new ClientSegmentCache({ runtime: counting });
	for (const name of ["first", "second", "third"]) {
		await using device = await Device.connect({
			url: aggregator.url,
			id: name,
			segments,
			data: { train: smallDataset(4) },
		});
		const events = new EventReader<DeviceEvent>(device.train());
		await aggregator.expect("resume");
		await aggregator.send(trainRound(name));
		await aggregator.send(gradientFor(await aggregator.expect("batch")));
		await aggregator.expect("weights");
		t.true(events.types.includes("step"));
		await device.close();
		await aggregator.expect("bye");
		if (name === "first") t.true(device.bytesDown > model.client.length);
		else t.true(device.bytesDown < model.client.length);
	}
	t.is(loads, 2, "client/forward and client/train, once");
	t.is(segments.digests.length, 1);
});

test("refuses an artifact that does not take its samples, and says both shapes", async (t) => {
	const samples = new Uint8Array(4 * 12 * 12);
	const train = new Dataset({ shape: [1, 12, 12], classes: ["a", "b"], labels: Int32Array.of(0, 1, 0, 1), samples });
	const error = await enrolWith(model.client, { data: { train } });
	t.is(error?.code, "PSGL_DEVICE_SHAPE");
	t.regex(error?.message ?? "", /\[1,12,12\].*\[1,8,8\].*--input 1x12x12/);
});

test("refuses an artifact with other classes", async (t) => {
	const { labels, samples, shape } = smallDataset(4);
	const train = new Dataset({ shape, classes: ["a", "b", "c"], labels, samples });
	t.is((await enrolWith(model.client, { data: { train } }))?.code, "PSGL_DEVICE_CLASSES");
	// The same labels would stand for other classes.
	const turned = new Dataset({ shape, classes: ["bright", "dark"], labels, samples });
	const error = await enrolWith(model.client, { data: { train: turned } });
	t.is(error?.code, "PSGL_DEVICE_CLASSES");
	t.regex(error?.message ?? "", /another order; got bright, dark; expected dark, bright/);
});

test("refuses an artifact that is not the announced one, is of an unknown format, or holds the server's half", async (t) => {
	await using aggregator = await ScriptedAggregator.start(model.client);
	aggregator.enrols = false;
	await using device = await Device.connect({
		url: aggregator.url,
		id,
		runtime: nodeRuntime,
		data: { train: smallDataset(6) },
	});
	const events = new EventReader(device.train());
	const { artifacts } = await aggregator.expect("hello");
	await aggregator.enrol({ device: id, artifacts: [...artifacts, aggregator.digest] });
	await aggregator.sendArtifact(id, model.client.with(100, 1));
	await t.throwsAsync(events.done, { code: "PSGL_ARTIFACT_DIGEST" });

	const { manifest, graphs, tensors } = await decodeArtifact(model.client);
	const newer = await encodeArtifact({ ...manifest, format: 2 as 1 }, graphs, tensors);
	t.is((await enrolWith(newer))?.code, "PSGL_ARTIFACT_VERSION");
	const joint = await encodeArtifact(model.joint.manifest, model.joint.graphs, model.joint.tensors);
	t.is((await enrolWith(joint))?.code, "PSGL_ARTIFACT_PART");
	t.is((await enrolWith(Uint8Array.of(1, 2, 3)))?.code, "PSGL_ARTIFACT_FORMAT");
});

test("an aggregator that refuses hello for good ends training, and infer", async (t) => {
	await using aggregator = await ScriptedAggregator.start(model.client);
	aggregator.enrols = false;
	await using device = await Device.connect({
		url: aggregator.url,
		id,
		runtime: nodeRuntime,
		data: { train: smallDataset(6) },
	});
	const events = new EventReader(device.train());
	await aggregator.expect("hello");
	await aggregator.send({
		type: "refused",
		device: id,
		of: "hello",
		code: "PSGL_AGGREGATOR_FULL",
		what: "the aggregator has as many devices as it takes",
		retry: false,
	});
	await t.throwsAsync(events.done, { code: "PSGL_AGGREGATOR_FULL", message: /refused a hello message/ });
	const x = smallDataset(1).batch([0]).x;
	await t.throwsAsync(device.infer(x), { code: "PSGL_AGGREGATOR_FULL" });
});

test("names the first sample that is not finite, before it connects", async (t) => {
	const { labels, samples, shape, classes } = smallDataset(4);
	const broken = (samples as Float32Array).slice();
	broken[2 * 64 + 5] = Number.NaN;
	const train = new Dataset({ shape, classes, labels, samples: broken });
	const options = { url: "mqtt://127.0.0.1:1", id, runtime: nodeRuntime };
	await t.throwsAsync(Device.connect({ ...options, data: { train } }), {
		code: "PSGL_DEVICE_NOT_FINITE",
		message: /sample 2 of the train data.*NaN at index 5/,
	});
});

test("checks its options", async (t) => {
	const options = { url: "mqtt://127.0.0.1:1", id, runtime: nodeRuntime };
	const bad: readonly DeviceOptions[] = [
		{ ...options, id: "ward/3" },
		{ ...options, url: undefined },
		{ ...options, maxMessageBytes: 100 },
		{ ...options, answerTimeoutMs: 0 },
	];
	for (const each of bad) await t.throwsAsync(Device.connect(each), { code: "PSGL_DEVICE_OPTIONS" });
	await t.throwsAsync(Device.connect({ ...options, url: "http://x" }), { code: "PSGL_BROKER_URL" });
	const other = new Dataset({
		shape: [1, 4, 4],
		classes: ["a", "b"],
		labels: Int32Array.of(0),
		samples: new Uint8Array(16),
	});
	const data = { train: smallDataset(2), validation: other };
	await t.throwsAsync(Device.connect({ ...options, data }), { code: "PSGL_DEVICE_DATA" });
});

test("gives up connecting at its deadline, and when aborted, telling of every attempt", async (t) => {
	const attempts: string[] = [];
	const options: DeviceOptions = {
		url: "mqtt://127.0.0.1:1",
		id,
		runtime: nodeRuntime,
		onLinkEvent: (event) => attempts.push(event.type),
	};
	await t.throwsAsync(Device.connect({ ...options, connectDeadlineMs: 2000 }), { code: "PSGL_BROKER_UNREACHABLE" });
	t.true(attempts.includes("retry"));
	const signal = AbortSignal.abort(new Error("never mind"));
	await t.throwsAsync(Device.connect({ ...options, signal }), { message: "never mind" });
});

test("runs in a browser: nothing it is made of imports a module of Node", async (t) => {
	const sdk = fileURLToPath(new URL("..", import.meta.resolve("@psgl/sdk")));
	const { browser } = JSON.parse(await readFile(resolve(sdk, "package.json"), "utf8")) as { browser: object };
	// What a bundle for browsers leaves out.
	const seen = new Set(Object.keys(browser).map((file) => resolve(sdk, file)));
	const visit = async (file: string) => {
		if (seen.has(file)) return;
		seen.add(file);
		const source = await readFile(file, "utf8");
		for (const [, specifier = ""] of source.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
			t.false(specifier.startsWith("node:"), `${file} imports ${specifier}`);
			if (specifier.startsWith(".")) await visit(resolve(dirname(file), specifier));
		}
	};
	await visit(fileURLToPath(new URL("device/device.js", import.meta.resolve("@psgl/sdk"))));
	t.true(seen.size > 30);
});
