import {
	type ClientSegment,
	ClientState,
	dropoutSeed,
	PerturbationStore,
	type Random,
	scalar,
	type Tensor,
	type Tensors,
} from "@psgl/sdk";
import type { ClientWeights } from "@psgl/sdk/protocol";
import type { Dataset } from "@psgl/sdk/sources";

type Vector = Tensor<"float32">;

/** A batch on its way through a device. Disposing of it gives the memory of its forward pass back. */
export interface PanelBatch extends Disposable {
	readonly smashed: Vector;
	readonly labels: Tensor<"int64">;
	/** Makes the device's step with the gradient that came back. */
	readonly learn: (cutGradient: Vector, learningRate: number) => Promise<void>;
}

/** A device that really trains while a fleet is simulated: its own data, weights and perturbations, on the graphs devices run. */
export class PanelDevice {
	readonly id: string;
	readonly state: ClientState;
	readonly #segment: ClientSegment;
	readonly #data: Dataset;
	readonly #poisoned: boolean;
	readonly #random: Random;
	readonly #perturbations: PerturbationStore | undefined;
	#order: Uint32Array = new Uint32Array();
	#at = 0;
	#passes = 0;

	constructor(id: string, options: { segment: ClientSegment; data: Dataset; poisoned: boolean; random: Random }) {
		const { segment, data, poisoned, random } = options;
		this.id = id;
		this.#segment = segment;
		this.#data = data;
		this.#poisoned = poisoned;
		this.#random = random;
		this.state = new ClientState(segment.artifact);
		const budget = segment.artifact.manifest.robustBudget;
		const store = { samples: data.length, shape: data.shape, budget, random: random.fork("perturbation") };
		this.#perturbations = budget > 0 ? new PerturbationStore(store) : undefined;
	}

	/** What it sends at the end of a leg. A poisoned device turns round what it learned. */
	returned(before: ClientWeights): ClientWeights {
		const { weights } = this.state;
		if (!this.#poisoned) return weights;
		const turned = (from: Vector, to: Vector): Vector => ({
			...to,
			data: to.data.map((value, i) => 2 * (from.data[i] as number) - value),
		});
		return {
			params: turned(before.params, weights.params),
			stats: weights.stats,
			head: turned(before.head, weights.head),
		};
	}

	/** The next batch of its pass over its data, through the client segment. */
	async forward(batchSize: number): Promise<PanelBatch> {
		const { manifest } = this.#segment.artifact;
		const indices = this.#next(Math.min(batchSize, this.#data.length));
		const { x, y } = this.#data.batch(indices);
		const labels = this.#poisoned ? otherLabels(y, manifest.classes.length) : y;
		const inputs: Tensors = {
			...this.state.feeds(),
			x,
			budget: scalar(manifest.map?.budget ?? 0),
			dropoutSeed: dropoutSeed(this.#random, this.state.steps + 1),
			...(this.#perturbations && { delta: this.#perturbations.read(indices) }),
		};
		const pass = await this.#segment.forward(inputs, true);
		const learn = async (cutGradient: Vector, learningRate: number): Promise<void> => {
			const feeds = {
				...inputs,
				...(pass.map && { map: pass.map }),
				y: labels,
				cutGradient,
				learningRate: scalar(learningRate),
				headLearningRate: scalar(learningRate * manifest.headLearningRateFactor),
				robustBudget: scalar(manifest.robustBudget),
			};
			const out = await this.#segment.train(feeds, pass);
			this.state.advance(out);
			if (out.next_delta !== undefined) this.#perturbations?.write(indices, out.next_delta as Vector);
		};
		return { smashed: pass.smashed, labels, learn, [Symbol.dispose]: () => pass[Symbol.dispose]() };
	}

	#next(count: number): Uint32Array {
		if (this.#at + count > this.#order.length) {
			this.#order = this.#random.fork(`pass ${++this.#passes}`).permutation(this.#data.length);
			this.#at = 0;
		}
		this.#at += count;
		return this.#order.subarray(this.#at - count, this.#at);
	}
}

function otherLabels(y: Tensor<"int64">, classes: number): Tensor<"int64"> {
	return { ...y, data: y.data.map((label) => (label + 1n) % BigInt(classes)) };
}
