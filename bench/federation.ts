import { extendAverage, type WeightAverage, weightedAverage } from "@psgl/cloud";
import { type Deal, dealSplits } from "@psgl/firmware-sim";
import { equalClassWeights } from "@psgl/models";
import { elementCount, type Random, type Session, scalar, seededRandom, type Tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";

type Vector = Tensor<"float32">;

export interface FederationSettings {
	readonly seed: number;
	readonly deal: Deal;
	readonly devices: number;
	readonly rounds: number;
	/** Samples of a batch. */
	readonly batch: number;
	/** Devices whose batches make one server step. */
	readonly group: number;
	/** Turns after which client segments are averaged; 0: after each round. */
	readonly averageEvery: number;
	readonly rate: number;
	/** Default: 1 each. */
	readonly classWeights?: readonly number[];
}

/** What a device holds of its own. */
interface Simulated {
	readonly data: Dataset;
	readonly random: Random;
	/** Robust perturbation of every sample, where there is one. */
	readonly delta: Float32Array | undefined;
	weights: { params: Vector; stats: Vector; head: Vector };
	slots: Vector;
	headSlots: Vector;
	step: number;
	/** Samples since the last average. */
	samples: number;
}

type Sessions = Readonly<Record<"forward" | "client" | "server", Session>>;

/** One run: devices in turns, a server step for each group of them, averages in between. */
export class Federation {
	readonly #artifact: Artifact;
	readonly #sessions: Sessions;
	readonly #devices: readonly Simulated[];
	readonly #random: Random;
	readonly #settings: FederationSettings;
	readonly #classWeights: Vector;
	#server: { params: Vector; stats: Vector; slots: Vector; step: number };
	/** Client weights as they were combined last. */
	#combined: Simulated["weights"];
	/** Mean of the weights along the second half of the run. */
	average: WeightAverage | undefined;

	private constructor(artifact: Artifact, sessions: Sessions, data: DataSplits, settings: FederationSettings) {
		this.#artifact = artifact;
		this.#sessions = sessions;
		this.#random = seededRandom(settings.seed);
		this.#settings = settings;
		this.#classWeights = equalClassWeights(artifact.manifest.classes.length);
		if (settings.classWeights !== undefined) this.#classWeights.data.set(settings.classWeights);
		const { manifest } = artifact;
		const tensor = (name: string) => artifactTensor(artifact, name);
		const slots = (part: "client" | "head" | "server") => zeros("float32", [optimiserStateLength(manifest, part)]);
		this.#server = { params: tensor("server/params"), stats: tensor("server/stats"), slots: slots("server"), step: 0 };
		this.#combined = {
			params: tensor("client/params"),
			stats: tensor("client/stats"),
			head: tensor("client/head"),
		};
		const shares = dealSplits(data, settings.devices, settings.deal, settings.seed);
		this.#devices = shares.map(({ train }, i) => {
			const random = this.#random.fork(`device ${i}`);
			const budget = manifest.robustBudget;
			const length = train.length * elementCount(train.shape);
			return {
				data: train,
				random,
				delta: budget > 0 ? Float32Array.from({ length }, () => (2 * random.uniform() - 1) * budget) : undefined,
				weights: this.#combined,
				slots: slots("client"),
				headSlots: slots("head"),
				step: 0,
				samples: 0,
			};
		});
	}

	static async create(artifact: Artifact, data: DataSplits, settings: FederationSettings): Promise<Federation> {
		const load = (name: string) => nodeRuntime.load(artifactGraph(artifact, name), { threads: 1 });
		const [forward, client, server] = [
			await load("client/forward"),
			await load("client/train"),
			await load("server/train"),
		];
		return new Federation(artifact, { forward, client, server }, data, settings);
	}

	async train(): Promise<void> {
		const { rounds, batch, group: size, averageEvery: every, rate: full } = this.#settings;
		let turns = 0;
		for (let round = 0; round < rounds; round++) {
			const batches = this.#devices.map((d) => cut(d.random.fork(`epoch ${round}`).permutation(d.data.length), batch));
			const length = Math.max(...batches.map((b) => b.length));
			for (let turn = 0; turn < length; turn++) {
				const progress = (round + turn / length) / rounds;
				const rate = full * Math.min(1, Math.max(0.02, 2 * (1 - progress)));
				// As in the aggregator's legs: fewer batches are spread over the round.
				const due = this.#devices.flatMap((device, i) => {
					const own = batches[i] as readonly Uint32Array[];
					const at = Math.floor((turn * own.length) / length);
					return Math.floor(((turn + 1) * own.length) / length) > at
						? [{ device, indices: own[at] as Uint32Array }]
						: [];
				});
				const order = this.#random.fork(`g${round}-${turn}`).permutation(due.length);
				const shuffled = Array.from(order, (i) => due[i] as (typeof due)[number]);
				for (const group of cut(shuffled, size)) await this.#step(group, rate);
				if (every > 0 && ++turns % every === 0) this.#combine(progress);
			}
			if (every === 0) this.#combine((round + 1) / rounds);
		}
	}

	/** Weights by their names in an artifact. */
	weights(mean: boolean): ReadonlyMap<string, Vector> {
		const client = (mean ? this.average?.client : undefined) ?? this.#combined;
		const server = (mean ? this.average?.server : undefined) ?? this.#server;
		return new Map([
			["client/params", client.params],
			["client/stats", client.stats],
			["client/head", client.head],
			["server/params", server.params],
			["server/stats", server.stats],
		]);
	}

	async close(): Promise<void> {
		for (const session of Object.values(this.#sessions)) await session.close();
	}

	async #step(group: readonly { device: Simulated; indices: Uint32Array }[], rate: number): Promise<void> {
		const { manifest } = this.#artifact;
		const work = [];
		for (const { device, indices } of group) {
			const { x, y } = device.data.batch(indices);
			const inputs = { x, ...device.weights, ...(device.delta && { delta: rows(device.delta, indices, x) }) };
			const out = await this.#sessions.forward.run({ ...inputs, budget: scalar(manifest.map?.budget ?? 0) });
			work.push({ device, indices, inputs: { ...inputs, ...out }, y, smashed: out.smashed as Vector });
		}
		const { params, stats, slots, step } = this.#server;
		const out = await this.#sessions.server.run({
			smashed: joined(work.map(({ smashed }) => smashed)),
			y: joined(work.map(({ y }) => y)),
			params,
			stats,
			slots,
			learningRate: scalar(rate),
			step: scalar(step + 1),
			classWeights: this.#classWeights,
		});
		const next = (name: string) => out[`next_${name}`] as Vector;
		this.#server = { params: next("params"), stats: next("stats"), slots: next("slots"), step: step + 1 };
		const gradient = out.cutGradient as Vector;
		let from = 0;
		for (const each of work) {
			const share = (gradient.dims[0] as number) / each.indices.length;
			const size = each.smashed.data.length;
			const data = gradient.data.slice(from, from + size).map((value) => value * share);
			from += size;
			await this.#backward(each, { ...each.smashed, data }, rate);
		}
	}

	async #backward(
		work: {
			device: Simulated;
			indices: Uint32Array;
			inputs: Record<string, Tensor>;
			y: Tensor;
		},
		cutGradient: Vector,
		rate: number,
	): Promise<void> {
		const { device, indices } = work;
		const { manifest } = this.#artifact;
		const out = await this.#sessions.client.run({
			...work.inputs,
			y: work.y,
			cutGradient,
			slots: device.slots,
			headSlots: device.headSlots,
			learningRate: scalar(rate),
			headLearningRate: scalar(rate * manifest.headLearningRateFactor),
			step: scalar(++device.step),
			robustBudget: scalar(manifest.robustBudget),
		});
		const next = (name: string) => out[`next_${name}`] as Vector;
		device.weights = { params: next("params"), stats: next("stats"), head: next("head") };
		device.slots = next("slots");
		device.headSlots = next("headSlots");
		device.samples += indices.length;
		const delta = out.next_delta as Vector | undefined;
		if (device.delta === undefined || delta === undefined) return;
		const size = delta.data.length / indices.length;
		for (const [b, index] of indices.entries()) {
			device.delta.set(delta.data.subarray(b * size, (b + 1) * size), index * size);
		}
	}

	#combine(progress: number): void {
		const trained = this.#devices.filter((d) => d.samples > 0);
		const mean = (name: "params" | "stats" | "head") =>
			weightedAverage(trained.map((d) => ({ vector: d.weights[name], weight: d.samples })));
		const weights = { params: mean("params"), stats: mean("stats"), head: mean("head") };
		this.#combined = weights;
		for (const device of this.#devices) Object.assign(device, { weights, samples: 0 });
		if (progress >= 0.5) this.average = extendAverage(this.average, weights, this.#server);
	}
}

/** Neighbours, `size` at a time; a last batch of one sample is left out, which batch statistics cannot use. */
function cut<T extends { readonly length: number; slice(from: number, to: number): T }>(all: T, size: number): T[] {
	const parts: T[] = [];
	for (let from = 0; from < all.length; from += size) parts.push(all.slice(from, from + size));
	if (all instanceof Uint32Array && parts.at(-1)?.length === 1) parts.pop();
	return parts;
}

function rows(values: Float32Array, indices: Uint32Array, like: Vector): Vector {
	const size = like.data.length / indices.length;
	const data = new Float32Array(like.data.length);
	for (const [b, index] of indices.entries()) data.set(values.subarray(index * size, (index + 1) * size), b * size);
	return { ...like, data };
}

function joined<T extends Tensor>(parts: readonly T[]): Tensor {
	const first = parts[0] as T;
	const Values = first.data.constructor as new (length: number) => Float32Array;
	const data = new Values(parts.reduce((sum, part) => sum + part.data.length, 0));
	let at = 0;
	for (const part of parts) {
		data.set(part.data as Float32Array, at);
		at += part.data.length;
	}
	const samples = parts.reduce((sum, part) => sum + (part.dims[0] as number), 0);
	return { ...first, dims: [samples, ...first.dims.slice(1)], data } as Tensor;
}
