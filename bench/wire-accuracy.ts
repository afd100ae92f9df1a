/**
 * What a narrower wire costs in accuracy: for each seed the same training over MQTT with float32 and with each narrower type, from the same weights with
 * the same data, then decisions over the same wire on test data, and on the training pictures that were left out. A line for each
 * seed, then mean differences in points with their standard errors.
 *
 *   node build/bench/wire-accuracy.js --data FILE [--samples 1000] [--rounds 5] [--devices 4] [--seeds 10] [--first 1] [--wires int8,int4]
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Aggregator, type AggregatorSettings, startBroker } from "@psgl/cloud";
import { runFleet } from "@psgl/firmware-sim";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { Device, seededRandom } from "@psgl/sdk";
import { type WireDType, wireDTypes } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, type Dataset, loadData } from "@psgl/sdk/sources";

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		samples: { type: "string", default: "1000" },
		rounds: { type: "string", default: "5" },
		devices: { type: "string", default: "4" },
		seeds: { type: "string", default: "10" },
		first: { type: "string", default: "1" },
		wires: { type: "string", default: "int8" },
	},
});
if (options.data === undefined) throw new Error("--data FILE is missing");
const narrow = options.wires.split(",").map((name) => {
	const wire = wireDTypes.find((known) => known === name);
	if (wire === undefined) throw new Error(`--wires are some of ${wireDTypes.join(", ")}`);
	return wire;
});

const parts = ["test", "leftOut"] as const;
type Accuracy = Readonly<Record<(typeof parts)[number], number>>;

async function trained(data: DataSplits, leftOut: Dataset, seed: number, wire: WireDType): Promise<Accuracy> {
	const { train, test } = data;
	const definition = presetDefinition("robust", zooNetwork("lenet"), [...train.shape], train.classes, train.length);
	const artifact = await compileArtifact(definition, { name: "wire", random: seededRandom(seed).fork("weights") });
	await using broker = await startBroker({ port: 0 });
	const [devices, rounds] = [Number(options.devices), Number(options.rounds)];
	const dtypes = { smashedDtype: wire, gradientDtype: wire === "int4" ? "int8" : wire } as const;
	const settings: AggregatorSettings = { rounds, minDevices: devices, batchSize: 16, seed, ...dtypes };
	await using aggregator = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings });
	const fleet = { url: broker.url, devices, seed, runtime: nodeRuntime };
	for await (const _ of runFleet({ ...fleet, data: { ...data, name: "wire", synthetic: false } }));
	await aggregator.result;
	await using judge = await Device.connect({ url: broker.url, id: "judge", runtime: nodeRuntime });
	return { test: await accuracy(judge, test as Dataset), leftOut: await accuracy(judge, leftOut) };
}

/** Share of decisions of the whole system that are right, per cent. */
async function accuracy(judge: Device, data: Dataset): Promise<number> {
	let right = 0;
	const together = 32;
	for (let from = 0; from < data.length; from += together) {
		const most = Math.min(together, data.length - from);
		const { x, y } = data.batch(Uint32Array.from({ length: most }, (_, i) => from + i));
		const { classes, source } = await judge.infer(x);
		if (source !== "aggregator") throw new Error("the aggregator did not answer");
		right += classes.filter((decided, i) => decided === Number(y.data[i])).length;
	}
	return (100 * right) / data.length;
}

const seeds = Array.from({ length: Number(options.seeds) }, (_, i) => Number(options.first) + i);
const differences = narrow.map((wire) => ({ wire, test: [] as number[], leftOut: [] as number[] }));
for (const seed of seeds) {
	const loaded = await loadData(options.data, { seed });
	const order = seededRandom(seed).fork("part").permutation(loaded.train.length);
	const samples = Number(options.samples);
	const data = { ...loaded, train: loaded.train.subset(order.subarray(0, samples)) };
	const leftOut = loaded.train.subset(order.subarray(samples, samples + 2000));
	const float32 = await trained(data, leftOut, seed, "float32");
	const row: Record<string, unknown> = { seed, float32 };
	for (const difference of differences) {
		const got = await trained(data, leftOut, seed, difference.wire);
		for (const part of parts) difference[part].push(got[part] - float32[part]);
		row[difference.wire] = got;
	}
	process.stdout.write(`${JSON.stringify(row)}\n`);
}
for (const { wire, ...of } of differences) {
	const summary = Object.fromEntries(parts.map((part) => [part, withError(of[part])]));
	process.stdout.write(`${JSON.stringify({ wire, seeds: seeds.length, ...summary, load: loadavg()[0] })}\n`);
}

/** Mean of paired differences, and its standard error. */
function withError(values: readonly number[]): { readonly mean: number; readonly error: number } {
	const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
	const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
	return { mean: Number(mean.toFixed(3)), error: Number(Math.sqrt(variance / values.length).toFixed(3)) };
}
