/**
 * Bytes a sample takes on the wire in each element type, envelope among them, and what deflate would save of them: smashed data as they
 * leave, of a client segment trained for a few rounds. `node build/bench/wire.js [DATA] [BATCH]`; without DATA the embedded phantom.
 */
import { deflateRawSync } from "node:zlib";
import { Aggregator, startBroker } from "@psgl/cloud";
import { phantomSplits, runFleet } from "@psgl/firmware-sim";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { ClientSegment, dropoutSeed, scalar, seededRandom, type Tensor, zeros } from "@psgl/sdk";
import { artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";
import { encodeEnvelope, type WireDType, type WireTensor, wireDTypes } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { loadData } from "@psgl/sdk/sources";

const [path, size = "16"] = process.argv.slice(2);
const batchSize = Number(size);
const splits = path === undefined ? phantomSplits({ seed: 1 }) : await loadData(path, { seed: 1 });
const { train } = splits;
const definition = presetDefinition("robust", zooNetwork("lenet"), [...train.shape], train.classes);
const artifact = await compileArtifact(definition, { name: "wire", random: seededRandom(1) });
await using broker = await startBroker({ port: 0 });
const settings = { rounds: 3, minDevices: 4, batchSize };
await using aggregator = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings });
const data = { ...splits, name: "wire", synthetic: path === undefined };
for await (const _ of runFleet({ url: broker.url, devices: 4, data, seed: 1, runtime: nodeRuntime }));
const trained = await decodeArtifact((await aggregator.result).artifact);
await using segment = new ClientSegment(nodeRuntime, trained, "bench");
const weights = Object.fromEntries(
	["params", "stats", "head"].map((name) => [name, artifactTensor(trained, `client/${name}`)]),
);
const total = new Map<WireDType, { plain: number; deflated: number; milliseconds: number }>();
const batches = 16;
for (let b = 0; b < batches; b++) {
	const { x, y } = train.batch(Uint32Array.from({ length: batchSize }, (_, i) => b * batchSize + i));
	const inputs = { ...weights, x, delta: zeros("float32", x.dims), budget: scalar(trained.manifest.map?.budget ?? 0) };
	const { smashed } = await segment.run("client/forward", { ...inputs, dropoutSeed: dropoutSeed(seededRandom(1), b) });
	for (const dtype of wireDTypes) {
		const wire = await encoded(smashed as Tensor<"float32">, dtype);
		const labels = { dtype: "uint8", dims: [batchSize], data: Uint8Array.from(y.data, Number) } as const;
		const identity = { type: "batch", device: "ward-3", epoch: 1, seq: b, model: 0 } as const;
		const envelope = encodeEnvelope({ ...identity, tensors: { smashed: wire, labels } });
		const started = performance.now();
		const deflated = deflateRawSync(envelope, { level: 6 }).length;
		const sum = total.get(dtype) ?? { plain: 0, deflated: 0, milliseconds: 0 };
		sum.plain += envelope.length;
		sum.deflated += deflated;
		sum.milliseconds += performance.now() - started;
		total.set(dtype, sum);
	}
}

async function encoded(values: Tensor<"float32">, dtype: WireDType): Promise<WireTensor> {
	if (dtype === "float32") return values;
	const { quantised, scale } = await segment.run(`wire/encode.${dtype}`, { values });
	return { ...(quantised as Tensor<"int8">), dtype, scale: scale as Tensor<"float32"> } as WireTensor;
}

const float32 = total.get("float32")?.plain ?? 1;
for (const [dtype, { plain, deflated, milliseconds }] of total) {
	const samples = batches * batchSize;
	console.log(
		JSON.stringify({
			dtype,
			bytesPerSample: Math.round(plain / samples),
			ofFloat32: Number((plain / float32).toFixed(4)),
			deflatedPerSample: Math.round(deflated / samples),
			deflatedOfFloat32: Number((deflated / float32).toFixed(4)),
			deflateMsPerBatch: Number((milliseconds / batches).toFixed(2)),
		}),
	);
}
