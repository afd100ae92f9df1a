import { zeros } from "@psgl/sdk";
import { artifactTensor, decodeArtifact } from "@psgl/sdk/artifact";
import type { AggregatorMessage, ClientWeights, DeviceMessage, RoundMessage } from "@psgl/sdk/protocol";
import { trainRound } from "./rounds.js";
import type { ScriptedAggregator } from "./scripted-aggregator.js";

/** What a greedy aggregator got in one round. */
export interface Loot {
	readonly round: Partial<RoundMessage>;
	/** Smashed data of each sample, in hexadecimal, in the order in which they came. */
	readonly smashed: string[];
	/** Labels that came along. */
	readonly labels: number[];
	/** Samples that the device says it trained on; undefined where it sent no weights. */
	samples: number | undefined;
}

/** Asks one device for round after round, whatever they are, answers everything, and keeps what it gets. */
export class GreedyAggregator {
	readonly loot: Loot[] = [];
	/** Resolves when the device was told that training is over. */
	readonly done: Promise<void>;
	readonly #aggregator: ScriptedAggregator;
	readonly #device: string;
	#model = 0;
	#weights: ClientWeights | undefined;
	readonly #plan: readonly Partial<RoundMessage>[];

	constructor(aggregator: ScriptedAggregator, device: string, plan: readonly Partial<RoundMessage>[]) {
		this.#aggregator = aggregator;
		this.#device = device;
		this.#plan = plan;
		this.done = this.#run();
	}

	/** Everything it got, of a sample each. */
	get smashed(): readonly string[] {
		return this.loot.flatMap((loot) => loot.smashed);
	}

	async #run(): Promise<void> {
		const artifact = await decodeArtifact(this.#aggregator.artifact);
		this.#weights = {
			params: artifactTensor(artifact, "client/params"),
			stats: artifactTensor(artifact, "client/stats"),
			head: artifactTensor(artifact, "client/head"),
		};
		const [first, ...later] = this.#plan;
		const rest = [...later];
		while ((await this.#aggregator.next()).type !== "resume");
		await this.#begin(first);
		for (;;) {
			const message = await this.#aggregator.next();
			const [answer, over] = this.#answer(message);
			if (answer !== undefined) await this.#aggregator.send(answer);
			if (!over) continue;
			if (rest.length === 0) break;
			await this.#begin(rest.shift());
		}
		const end = { type: "end", device: this.#device, reason: "finished", epoch: 0, model: 0 } as const;
		await this.#aggregator.send(end);
	}

	async #begin(round: Partial<RoundMessage> = {}): Promise<void> {
		this.loot.push({ round, smashed: [], labels: [], samples: undefined });
		await this.#aggregator.send(this.#round());
	}

	/** The round under way, from the weights that the one before ended with. */
	#round(): RoundMessage {
		const { round } = this.loot.at(-1) as Loot;
		return trainRound(this.#device, { ...round, model: this.#model, tensors: this.#weights });
	}

	/** The answer, and whether the round is over with it. */
	#answer(message: DeviceMessage): readonly [AggregatorMessage | undefined, boolean] {
		const device = this.#device;
		const loot = this.loot.at(-1) as Loot;
		if (message.type === "resume" && message.awaiting === "round") return [this.#round(), false];
		if (message.type === "resume") {
			const { epoch, seq } = message;
			const missing = { code: "PSGL_BATCH_MISSING", what: "not here", retry: true } as const;
			return [{ type: "refused", device, epoch, seq, ...missing }, false];
		}
		if ("epoch" in message && message.epoch !== loot.round.epoch) return [undefined, false];
		if (message.type === "batch" || message.type === "evaluate" || message.type === "codes") {
			const { tensors, epoch, seq, model } = message;
			if (tensors !== undefined) {
				const { dims, data } = tensors.smashed;
				const row = data.length / (dims[0] as number);
				for (let at = 0; at < data.length; at += row) {
					loot.smashed.push(Buffer.from(data.slice(at, at + row).buffer).toString("hex"));
				}
				loot.labels.push(...tensors.labels.data);
			}
			if (message.type === "batch") {
				const cutGradient = zeros("float32", message.tensors.smashed.dims);
				return [{ type: "gradient", device, epoch, seq, model, losses: [0], tensors: { cutGradient } }, false];
			}
			return [{ type: "received", device, of: message.type, epoch, seq }, message.last];
		}
		if (message.type !== "weights") return [undefined, false];
		const isNew = loot.samples === undefined;
		loot.samples = message.samples;
		if (isNew) this.#model++;
		this.#weights = message.tensors;
		return [{ type: "received", device, of: "weights", epoch: message.epoch, seq: 0 }, isNew];
	}
}
