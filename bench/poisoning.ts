/**
 * How far the fused accuracy falls when a fifth of the devices is malicious, for each way to combine client segments, with and
 * without the outlier guard. Real devices over MQTT; a malicious one changes every step of its client segment, or all smashed
 * data it trains with: turned round, or random, five times as large as honest ones.
 *
 *   node build/bench/poisoning.js [--devices 10] [--rounds 5] [--samples 1200] [--difficulty 0] [--rows "krum;median"] [--seeds 1,2,3]
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
		rounds: { type: "string", default: "5" },
		difficulty: { type: "string", default: "0" },
		rows: { type: "string" },
		samples: { type: "string", default: "1200" },
		seeds: { type: "string", default: "1,2,3" },
	},
});

const malicious = 0.2;
/** How much larger than an honest step, or honest smashed data, malicious ones are. */
const gain = 5;

const attacks = ["none", "steps turned", "steps random", "smashed turned", "smashed random"] as const;
type Attack = (typeof attacks)[number];
type Defence = Pick<AggregatorSettings, "averaging" | "outlierGuard">;

/** Honest graphs, but each step of the client segment, or what it sends to train with, is the attacker's. */
function maliciousRuntime(attack: Exclude<Attack, "none">, random: Random): Runtime {
	const turned = attack.endsWith("turned");
	const poison = (honest: Float32Array): Float32Array => {
		const size = Math.sqrt(honest.reduce((sum, value) => sum + value * value, 0) / honest.length);
		return honest.map((value) => gain * (turned ? -value : size * random.normal()));
	};
	const poisonStep = (before: Tensor, after: Tensor): Tensor => {
		const from = before.data as Float32Array;
		const step = poison((after.data as Float32Array).map((value, i) => value - (from[i] as number)));
		return { ...after, data: step.map((value, i) => value + (from[i] as number)) } as Tensor;
	};
	return {
		version: nodeRuntime.version,
		load: async (model, settings) => {
			const session = await nodeRuntime.load(model, settings);
			return {
				...session,
				run: async (feeds: Tensors) => {
					const outputs = await session.run(feeds);
					const { smashed, localScores } = outputs;
					// Of training: decisions also have the local head's scores.
					if (attack.startsWith("smashed") && smashed !== undefined && localScores === undefined) {
						outputs.smashed = { ...smashed, data: poison(smashed.data as Float32Array) } as Tensor;
					}
					if (!attack.startsWith("steps")) return outputs;
					for (const name of ["params", "head"]) {
						const [before, after] = [feeds[name], outputs[`next_${name}`]];
						if (before !== undefined && after !== undefined) outputs[`next_${name}`] = poisonStep(before, after);
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
	const leftOut = { batch: 0, weights: 0 };
	void (async () => {
		for await (const event of aggregator.events()) if (event.type === "outlier") leftOut[event.of]++;
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
	return { accuracy: 100 * (validation?.fused?.accuracy ?? 0), leftOut };
}

const defences: readonly (readonly [string, Defence])[] = averagingMethods.flatMap((averaging) => [
	[averaging, { averaging }],
	[`${averaging}, guard`, { averaging, outlierGuard: true }],
]);
const seeds = options.seeds.split(",").map(Number);
const rows = options.rows?.split(";");
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) =>
	Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / Math.max(1, values.length - 1));

process.stdout.write(`| averaging | ${attacks.join(" | ")} |\n|---|${attacks.map(() => "---:|").join("")}\n`);
for (const [name, defence] of defences) {
	if (rows?.includes(name) === false) continue;
	process.stdout.write(`| ${name} |`);
	let honest: readonly number[] = [];
	for (const attack of attacks) {
		const found: number[] = [];
		const leftOut = { batch: 0, weights: 0 };
		for (const seed of seeds) {
			const data = phantomSplits({ train: Number(options.samples), seed, difficulty: Number(options.difficulty) });
			const result = await train(data, seed, attack, defence);
			found.push(result.accuracy);
			leftOut.batch += result.leftOut.batch;
			leftOut.weights += result.leftOut.weights;
		}
		if (attack === "none") honest = found;
		// Of each seed by itself: the same data, deal and first weights.
		const falls = found.map((accuracy, i) => (honest[i] as number) - accuracy);
		const fall = attack === "none" ? "" : ` (falls ${mean(falls).toFixed(1)} ± ${deviation(falls).toFixed(1)})`;
		const left = defence.outlierGuard ? `, left out ${leftOut.batch} batches, ${leftOut.weights} weights` : "";
		process.stdout.write(` ${mean(found).toFixed(1)} ± ${deviation(found).toFixed(1)}${fall}${left} |`);
	}
	process.stdout.write("\n");
}
