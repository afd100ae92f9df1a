import type { Clock, Tensor } from "@psgl/sdk";
import { cloudLimits as limits } from "../limits.js";
import { concatenateBatches, splitRows } from "./batch-tensors.js";
import type { ServerSegment, ServerWeights } from "./server-segment.js";

type Vector = Tensor<"float32">;

/** Smashed data that wait for their scores. */
interface Waiting {
	readonly weights: ServerWeights;
	readonly smashed: Vector;
	/** Not computed together with others'. */
	readonly alone: boolean;
	readonly resolve: (scores: Vector) => void;
	readonly reject: (error: unknown) => void;
}

/**
 * Requests of several devices computed together: those that come while a run is under way share the next one, as many as are expected to be
 * computed within `decisionRunMs`, or half of them where that is more. So nobody waits for company, and at most for two runs of that length while the requests can be kept up with.
 * A sample's scores can differ in their last bits from those it has alone.
 */
export class DecisionBatches {
	readonly #server: Pick<ServerSegment, "score">;
	readonly #clock: Clock;
	readonly #waiting: Waiting[] = [];
	#computing = false;
	/** What a sample takes, a moving mean; not known before the first run, which has one request. */
	#sampleMs: number | undefined;

	constructor(server: Pick<ServerSegment, "score">, clock: Clock) {
		this.#server = server;
		this.#clock = clock;
	}

	/**
	 * Scores as `ServerSegment.score`.
	 * @param alone for results that must be the same, to the last bit, whoever else asks
	 */
	score(weights: ServerWeights, smashed: Vector, { alone = false } = {}): Promise<Vector> {
		return new Promise((resolve, reject) => {
			this.#waiting.push({ weights, smashed, alone, resolve, reject });
			if (!this.#computing) void this.#compute();
		});
	}

	async #compute(): Promise<void> {
		this.#computing = true;
		while (this.#waiting.length > 0) await this.#run(this.#next());
		this.#computing = false;
	}

	/** Those that go into the next run, in the order they came. */
	#next(): readonly Waiting[] {
		const first = this.#waiting.shift() as Waiting;
		const together = [first];
		if (first.alone || this.#sampleMs === undefined) return together;
		// Where they cannot be kept up with, larger runs are what helps: a sample costs less in company.
		const halfOfAll = (1 + this.#waiting.length) / 2;
		const wanted = Math.max(limits.decisionRunMs / this.#sampleMs, halfOfAll);
		let room = Math.min(limits.decisionRunSamples, wanted) - samplesOf(first);
		for (let i = 0; i < this.#waiting.length; ) {
			const one = this.#waiting[i] as Waiting;
			// Another model's, while the weights change.
			if (one.alone || one.weights !== first.weights) {
				i++;
				continue;
			}
			room -= samplesOf(one);
			if (room < 0) break;
			together.push(one);
			this.#waiting.splice(i, 1);
		}
		return together;
	}

	async #run(together: readonly Waiting[]): Promise<void> {
		const [{ weights }] = together as [Waiting];
		const counts = together.map(samplesOf);
		const start = this.#clock.now();
		try {
			const scores = await this.#server.score(weights, concatenateBatches(together.map(({ smashed }) => smashed)));
			splitRows(scores, counts).forEach((own, i) => {
				(together[i] as Waiting).resolve(own);
			});
		} catch (error) {
			for (const { reject } of together) reject(error);
		}
		const samples = counts.reduce((sum, count) => sum + count, 0);
		const sampleMs = Math.max(0, this.#clock.now() - start) / Math.max(1, samples);
		const before = this.#sampleMs ?? sampleMs;
		this.#sampleMs = before + (sampleMs - before) / 8;
	}
}

const samplesOf = ({ smashed }: Waiting) => smashed.dims[0] as number;
