/**
 * How far the fused accuracy falls when a fifth of the devices is malicious, for each way to combine client segments. Real
 * devices over MQTT; a malicious one changes every step of its client segment: turned round and made longer, or random.
 *
 *   node build/bench/poisoning.js [--devices 10] [--rounds 3] [--samples 1200] [--difficulty 0] [--rate 0.003] [--rows "krum;median"] [--seeds 1]
 */
import { parseArgs } from "node:util";
import { Aggregator, type AggregatorSettings, averagingMethods, startBroker } from "@psgl/cloud";
import { dealSplits, phantomSplits } from "@psgl/firmware-sim";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import {
	ClientSegmentCache,
	Device,
	type Random,
	type Runtime,
	seededRandom,
	type Tensor,
	type Tensors,
} from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { DataSplits } from "@psgl/sdk/sources";

const { values: options } = parseArgs({
	options: {
		devices: { type: "string", default: "10" },
		rounds: { type: "string", default: "3" },
		difficulty: { type: "string", default: "0" },
		rate: { type: "string", default: "0.003" },
		rows: { type: "string" },
		samples: { type: "string", default: "1200" },
		seeds: { type: "string", default: "1" },
	},
});

const malicious = 0.2;
/** How much longer than an honest step a malicious one is. */
const gain = 5;

type Attack = "none" | "sign-flip" | "random";
type Defence = Pick<AggregatorSettings, "averaging" | "outlierGuard">;

/** Honest graphs, but each step of the client segment goes where the attacker wants. */
function maliciousRuntime(attack: Exclude<Attack, "none">, random: Random): Runtime {
	const poison = (before: Tensor, after: Tensor): Tensor => {
		const change = (after.data as Float32Array).map((value, i) => value - (before.data[i] as number));
		const size = Math.sqrt(change.reduce((sum, value) => sum + value * value, 0) / change.length);
		const step = change.map((value) => gain * (attack === "sign-flip" ? -value : size * random.normal()));
		return { ...after, data: step.map((value, i) => value + (before.data[i] as number)) } as Tensor;
	};
	return {
		version: nodeRuntime.version,
		load: async (model, settings) => {
			const session = await nodeRuntime.load(model, settings);
			return {
				...session,
				run: async (feeds: Tensors) => {
					const outputs = await session.run(feeds);
					for (const name of ["params", "head"]) {
						const [before, after] = [feeds[name], outputs[`next_${name}`]];
						if (before !== undefined && after !== undefined) outputs[`next_${name}`] = poison(before, after);
					}
					return outputs;
				},
				close: () => session.close(),
				[Symbol.asyncDispose]: () => session.close(),
			};
		},
	};
}

/** Fused accuracy on the devices' validation data after training, and how often the guard left somebody out. */
async function train(data: DataSplits, seed: number, attack: Attack, defence: Defence) {
	const devices = Number(options.devices);
	const { train: first } = data;
	const definition = presetDefinition("none", zooNetwork("lenet"), first.shape, first.classes);
	const artifact = await compileArtifact(definition, { name: "poisoning", random: seededRandom(seed) });
	await using broker = await startBroker({ port: 0 });
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		settings: {
			rounds: Number(options.rounds),
			minDevices: devices,
			batchSize: 8,
			groupSize: 8,
			learningRate: 0.003,
			seed,
			...defence,
		},
	});
	let outliers = 0;
	void (async () => {
		for await (const event of aggregator.events()) if (event.type === "outlier") outliers++;
	})();
	await using honest = new ClientSegmentCache({ runtime: nodeRuntime });
	await using hostile = new ClientSegmentCache({
		runtime: attack === "none" ? nodeRuntime : maliciousRuntime(attack, seededRandom(seed)),
	});
	const bad = Math.round(malicious * devices);
	const running = dealSplits(data, devices, "iid", seed).map(async (share, i) => {
		await using device = await Device.connect({
			url: broker.url,
			id: `device-${i}`,
			segments: i < bad ? hostile : honest,
			data: share,
		});
		// A device may fail over what the attackers made of the model; the others go on.
		try {
			for await (const _ of device.train());
		} catch {}
	});
	const { validation } = await aggregator.result;
	await Promise.all(running);
	return { accuracy: 100 * (validation?.fused?.accuracy ?? 0), outliers };
}

const defences: readonly (readonly [string, Defence])[] = [
	...averagingMethods.map((averaging) => [averaging, { averaging }] as const),
	["mean, outlier guard", { averaging: "mean", outlierGuard: true }],
];
const seeds = options.seeds.split(",").map(Number);
const attacks = ["none", "sign-flip", "random"] as const;
process.stdout.write("| averaging | no attack | sign-flipped | random |\n|---|---:|---:|---:|\n");
const rows = options.rows?.split(";");
for (const [name, defence] of defences) {
	if (rows?.includes(name) === false) continue;
	process.stdout.write(`| ${name} |`);
	for (const attack of attacks) {
		const found: number[] = [];
		let outliers = 0;
		for (const seed of seeds) {
			const data = phantomSplits({ train: Number(options.samples), seed, difficulty: Number(options.difficulty) });
			const result = await train(data, seed, attack, defence);
			found.push(result.accuracy);
			outliers += result.outliers;
		}
		const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
		const each = found.length > 1 ? ` (${found.map((value) => value.toFixed(1)).join(", ")})` : "";
		process.stdout.write(` ${mean.toFixed(1)}${each}${outliers > 0 ? `, ${outliers} left out` : ""} |`);
	}
	process.stdout.write("\n");
}
