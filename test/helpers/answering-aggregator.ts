import { Buffer } from "node:buffer";
import { type AggregatorMessage, type DeviceMessage, encodeEnvelope, type RoundMessage } from "@psgl/sdk/protocol";
import { gradientFor, trainRound } from "./rounds.js";
import type { ScriptedAggregator } from "./scripted-aggregator.js";

/** Rounds in the order in which a device is to do them. */
export type RoundPlan = readonly Pick<RoundMessage, "epoch" | "task" | "credit">[];

/**
 * Leads one device through some rounds at a scripted aggregator, as a real one does: each new message gets an answer that
 * depends on it alone, a copy the first one's answer, and the weights of one round start the next.
 */
export class AnsweringAggregator {
	/** What each message said when it came first, by its identity. */
	readonly first = new Map<string, string>();
	/** Messages that came again with another content. */
	readonly changed: string[] = [];
	/** Messages that came again. */
	copies = 0;
	/** The weights of the last round. */
	weights: RoundMessage["tensors"];
	readonly #aggregator: ScriptedAggregator;
	readonly #device: string;
	readonly #plan: RoundPlan;
	readonly #answers = new Map<string, AggregatorMessage>();
	#at = 0;

	constructor(aggregator: ScriptedAggregator, device: string, plan: RoundPlan) {
		this.#aggregator = aggregator;
		this.#device = device;
		this.#plan = plan;
		void this.#run();
	}

	async #run(): Promise<void> {
		for (;;) {
			const message = await this.#aggregator.next();
			if (message.type === "bye") continue;
			const at = this.#at;
			const answer = this.#answer(message);
			if (answer !== undefined) await this.#aggregator.send(answer);
			if (this.#at > at) await this.#aggregator.send(this.#next());
		}
	}

	#answer(message: DeviceMessage): AggregatorMessage | undefined {
		switch (message.type) {
			case "resume": {
				if (message.awaiting === "round") return this.#next();
				const { epoch, seq } = message;
				if (message.awaiting === "credit") return { type: "credit", device: this.#device, epoch, upTo: 99 };
				const known = message.awaiting === "gradient" ? this.#answers.get(`batch ${epoch} ${seq}`) : undefined;
				const unknown = { device: this.#device, code: "PSGL_BATCH_MISSING", what: "not here", retry: true };
				return known ?? { type: "refused", epoch, seq, ...unknown };
			}
			case "batch": {
				const { epoch, seq } = message;
				const answer = gradientFor(message);
				answer.tensors.cutGradient.data.fill(0.1 * (1 + epoch + seq));
				return this.#once(`batch ${epoch} ${seq}`, message, answer);
			}
			case "evaluate": {
				const { epoch, seq, last } = message;
				const isNew = !this.first.has(`evaluate ${epoch} ${seq}`);
				const answer = { type: "received", device: this.#device, of: "evaluate", epoch, seq } as const;
				const sent = this.#once(`evaluate ${epoch} ${seq}`, message, answer);
				if (isNew && last) this.#at++;
				return sent;
			}
			case "weights": {
				const { epoch } = message;
				const isNew = !this.first.has(`weights ${epoch}`);
				const answer = { type: "received", device: this.#device, of: "weights", epoch, seq: 0 } as const;
				const sent = this.#once(`weights ${epoch}`, message, answer);
				if (isNew) {
					this.weights = message.tensors;
					this.#at++;
				}
				return sent;
			}
			default:
				return undefined;
		}
	}

	#once(key: string, message: DeviceMessage, answer: AggregatorMessage): AggregatorMessage {
		const content = Buffer.from(encodeEnvelope(message)).toString("base64");
		const first = this.first.get(key);
		if (first === undefined) {
			this.first.set(key, content);
			this.#answers.set(key, answer);
			return answer;
		}
		this.copies++;
		if (first !== content) this.changed.push(key);
		return this.#answers.get(key) as AggregatorMessage;
	}

	/** The next round, or the end. */
	#next(): AggregatorMessage {
		const [device, model, tensors] = [this.#device, this.#at, this.weights];
		const next = this.#plan[this.#at];
		if (next !== undefined) return trainRound(device, { ...next, model, tensors });
		return { type: "end", device, reason: "finished", epoch: this.#plan.at(-1)?.epoch ?? 0, model, tensors };
	}
}
