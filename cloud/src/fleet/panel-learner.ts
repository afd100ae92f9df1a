import { dealSplits, type FleetDevice, phantomSplits, type Scenario } from "@psgl/firmware-sim";
import { clientHalf } from "@psgl/models";
import { ClientSegment, type Random, type Runtime, scalar, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactTensor, decodeArtifact, sha256 } from "@psgl/sdk/artifact";
import type { ClientWeights } from "@psgl/sdk/protocol";
import type { Dataset } from "@psgl/sdk/sources";
import { learningRateShare } from "../aggregator/learning-rate-schedule.js";
import { measureDecisions } from "../aggregator/measure-decisions.js";
import { findOutliers } from "../aggregator/outlier-guard.js";
import { combineClients } from "../aggregator/robust-averaging.js";
import { initialServerState, ServerSegment, type ServerState } from "../aggregator/server-segment.js";
import { SmashedGuard } from "../aggregator/smashed-guard.js";
import { averagesWeights, extendAverage, type WeightAverage } from "../aggregator/weight-average.js";
import type { FleetLearner, LegPart } from "./fleet-learner.js";
import { type PanelBatch, PanelDevice } from "./panel-device.js";

export interface PanelLearnerOptions {
	readonly artifact: Artifact;
	readonly scenario: Scenario & { readonly learning: NonNullable<Scenario["learning"]> };
	readonly devices: readonly FleetDevice[];
	readonly seed: number;
	readonly random: Random;
	readonly runtime: Runtime;
	readonly threads: number;
}

interface SentBatch {
	readonly device: string;
	readonly batch: PanelBatch;
	/** As it arrived. */
	readonly smashed: Tensor<"float32">;
}

/** Most pictures that are drawn for the panel, whatever its devices hold. */
const maxSamples = 16_384;

/** Samples an evaluation computes at a time. */
const evaluationBatch = 64;

/**
 * A panel of the fleet's devices that really learns: in each leg those of them whose batches took effect in the simulation make so
 * many steps, at most `stepsPerRound` a round, on the graphs devices and aggregator run, with the values in float16 in between; the weights
 * that arrived are combined as the aggregator combines them. All other devices only take their time.
 */
export class PanelLearner implements FleetLearner, AsyncDisposable {
	readonly description: string;
	readonly #options: PanelLearnerOptions;
	readonly #segment: ClientSegment;
	readonly #server: ServerSegment;
	readonly #panel: ReadonlyMap<string, PanelDevice>;
	readonly #test: Dataset;
	readonly #guard = new SmashedGuard();
	#client: ClientWeights;
	#state: ServerState;
	#average: WeightAverage | undefined;
	#round = 0;
	/** Steps each device has made in the round. */
	#steps = new Map<string, number>();

	private constructor(
		options: PanelLearnerOptions,
		parts: {
			segment: ClientSegment;
			server: ServerSegment;
			panel: readonly PanelDevice[];
			test: Dataset;
			data: string;
		},
	) {
		const { artifact, scenario, devices } = options;
		this.#options = options;
		this.#segment = parts.segment;
		this.#server = parts.server;
		this.#panel = new Map(parts.panel.map((device) => [device.id, device]));
		this.#test = parts.test;
		this.#client = {
			params: artifactTensor(artifact, "client/params"),
			stats: artifactTensor(artifact, "client/stats"),
			head: artifactTensor(artifact, "client/head"),
		};
		this.#state = initialServerState(artifact);
		const { stepsPerRound } = scenario.learning;
		this.description = `${parts.panel.length} of ${devices.length} devices, chosen by the seed, really train (${scenario.model.network}, ${scenario.model.privacy}), at most ${stepsPerRound} steps a round each, on ${parts.data}; accuracy on ${parts.test.length} pictures that no device has`;
	}

	static async create(options: PanelLearnerOptions): Promise<PanelLearner> {
		const { artifact, scenario, devices, seed, random, runtime, threads } = options;
		const { panel: wanted, evaluationSamples, deal } = scenario.learning;
		const order = random.fork("panel").permutation(devices.length).subarray(0, wanted);
		const chosen = Array.from(order, (i) => devices[i] as FleetDevice);
		const train = chosen.reduce((sum, { samples }) => sum + samples, 0);
		const data = phantomSplits({
			seed,
			size: scenario.model.imageSize,
			train: Math.min(maxSamples, Math.max(10, train)),
			validation: 10,
			test: evaluationSamples,
		});
		const shares = dealSplits(data, chosen.length, deal, seed);
		const bytes = await clientHalf(artifact);
		const segment = new ClientSegment(runtime, await decodeArtifact(bytes), await sha256(bytes));
		const classWeights = artifact.manifest.classes.map(() => 1);
		const server = await ServerSegment.load(artifact, runtime, { threads, classWeights, dtypes: ["float16"] });
		const panel = chosen.map(({ id, malicious }, i) => {
			const own = (shares[i] as (typeof shares)[number]).train;
			return new PanelDevice(id, {
				segment,
				data: own,
				poisoned: malicious === "poison",
				random: random.fork(`learner ${id}`),
			});
		});
		return new PanelLearner(options, { segment, server, panel, test: data.test, data: data.name });
	}

	async leg(round: number, parts: readonly LegPart[]): Promise<void> {
		const { training } = this.#options.scenario;
		if (round !== this.#round) this.#steps.clear();
		this.#round = round;
		const members = parts.flatMap(({ device, applied, returned }) => {
			const own = this.#panel.get(device);
			return own === undefined || applied === 0
				? []
				: [{ device: own, steps: this.#allowed(device, applied), returned }];
		});
		if (members.length === 0) return;
		for (const { device } of members) device.state.load(this.#client, round);
		const schedule = { kind: "linear", warmUpRounds: 0 } as const;
		const rate = training.learningRate * learningRateShare(schedule, round, Math.max(round, training.rounds));
		const longest = Math.max(...members.map(({ steps }) => steps));
		for (let step = 0; step < longest; step++) {
			const due = members.filter(({ steps }) => step < steps).map(({ device }) => device);
			for (let first = 0; first < due.length; first += training.groupSize) {
				await this.#step(due.slice(first, first + training.groupSize), rate);
			}
		}
		const before = this.#client;
		const arrived = members.filter(({ steps, returned }) => returned && steps > 0);
		const weights = arrived.map(({ device }) => device.returned(before));
		const outliers = training.outlierGuard
			? new Set(findOutliers(before, weights).map(({ index }) => index))
			: undefined;
		const honest = weights.flatMap((client, i) =>
			outliers?.has(i) ? [] : [{ client, weight: (arrived[i] as (typeof arrived)[number]).steps }],
		);
		if (honest.length === 0) return;
		this.#client = combineClients(honest, training.averaging);
		if (averagesWeights(round, training.rounds))
			this.#average = extendAverage(this.#average, this.#client, this.#state);
	}

	async accuracy(): Promise<number> {
		const { artifact } = this.#options;
		const client = this.#average?.client ?? this.#client;
		const server = this.#average?.server ?? this.#state;
		const { length, labels } = this.#test;
		const chunks: Float32Array[] = [];
		for (let from = 0; from < length; from += evaluationBatch) {
			const indices = Uint32Array.from({ length: Math.min(evaluationBatch, length - from) }, (_, i) => from + i);
			const { x } = this.#test.batch(indices);
			const budget = scalar(artifact.manifest.map?.budget ?? 0);
			const { smashed } = await this.#segment.run("client/infer", { x, ...client, budget });
			chunks.push((await this.#server.score(server, smashed as Tensor<"float32">)).data);
		}
		const measured = await measureDecisions(artifact.manifest, chunks, [...labels]);
		return measured?.fused?.accuracy ?? Number.NaN;
	}

	async close(): Promise<void> {
		await this.#segment.close();
		await this.#server.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	/** Real steps for so many applied batches. */
	#allowed(device: string, applied: number): number {
		const made = this.#steps.get(device) ?? 0;
		const steps = Math.min(applied, this.#options.scenario.learning.stepsPerRound - made);
		this.#steps.set(device, made + steps);
		return steps;
	}

	async #step(devices: readonly PanelDevice[], rate: number): Promise<void> {
		const { training } = this.#options.scenario;
		const sent: SentBatch[] = [];
		for (const device of devices) {
			const batch = await device.forward(training.batchSize);
			sent.push({ device: device.id, batch, smashed: await this.#travel(batch.smashed) });
		}
		try {
			await this.#learn(sent, rate);
		} finally {
			for (const { batch } of sent) batch[Symbol.dispose]();
		}
	}

	async #learn(sent: readonly SentBatch[], rate: number): Promise<void> {
		const { training } = this.#options.scenario;
		const outliers = training.outlierGuard ? new Set(this.#guard.judge(sent).map(({ index }) => index)) : undefined;
		const taken = sent.filter((_, i) => !outliers?.has(i));
		if (taken.length === 0) return;
		const batches = taken.map(({ smashed, batch: { labels } }) => ({ smashed, labels }));
		const { next, parts } = await this.#server.train(this.#state, batches, rate);
		this.#state = next;
		if (training.outlierGuard) this.#guard.observe(taken);
		for (const [i, { batch }] of taken.entries()) {
			await batch.learn(await this.#travel((parts[i] as (typeof parts)[number]).cutGradient), rate);
		}
	}

	/** As values arrive that travelled in float16. */
	async #travel(values: Tensor<"float32">): Promise<Tensor<"float32">> {
		return this.#server.decode(await this.#server.encode(values, "float16"));
	}
}
