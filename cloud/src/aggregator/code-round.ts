import { LimitError, PsglError } from "@psgl/sdk";
import { type CodesMessage, refuse } from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import { type CachedCodes, type CodeCache, cachedSamples } from "./code-cache.js";
import type { AggregatorContext } from "./context.js";
import { batchMissing, roundOver } from "./refusals.js";
import type { RosterDevice } from "./roster.js";
import { sendRound, type VersionedWeights } from "./round-message.js";
import type { LegHistory } from "./run-history.js";
import type { Entries } from "./run-record.js";

interface Coder {
	readonly device: RosterDevice;
	/** Message that may come next. */
	next: number;
	done: boolean;
}

export interface CodeRoundOptions {
	readonly context: AggregatorContext;
	/** For events. */
	readonly round: number;
	readonly epoch: number;
	/** The frozen client segment. */
	readonly weights: VersionedWeights;
	/** Devices whose codes are not there yet. */
	readonly devices: readonly RosterDevice[];
	/** Codes that are. */
	readonly cache: CodeCache;
}

/** Has devices code their samples once, and keeps what comes. A device that sends nothing for `stepTimeoutMs` is left out. */
export class CodeRound {
	readonly task = "code";
	readonly epoch: number;
	readonly #options: CodeRoundOptions;
	readonly #coders: ReadonlyMap<string, Coder>;
	readonly #codes: CachedCodes[] = [];
	#leg: LegHistory | undefined;

	constructor(options: CodeRoundOptions) {
		this.epoch = options.epoch;
		this.#options = options;
		this.#coders = new Map(options.devices.map((device) => [device.id, { device, next: 0, done: false }]));
	}

	/** The cache with the new codes, device by device. */
	async run(): Promise<CodeCache> {
		const { context, epoch, cache } = this.#options;
		const { history, changed, clock, settings, stopping } = context;
		this.#leg = history.leg(epoch);
		for (const record of this.#leg?.codes ?? []) {
			await this.#keep(await history.message("codes", record.device, record.entries));
		}
		const coders = [...this.#coders.values()];
		if (!this.#leg?.ended) {
			history.live(true);
			for (const { device, done } of coders) if (!done) this.#start(device, false);
			const progress = () => coders.reduce((sum, coder) => sum + coder.next, 0);
			let seen = -1;
			let deadline = 0;
			while (!stopping.aborted && coders.some(({ done }) => !done)) {
				if (progress() !== seen) {
					seen = progress();
					deadline = clock.now() + settings.stepTimeoutMs;
				}
				if (await changed.wait(deadline)) continue;
				for (const { device, done } of coders) {
					if (!done) context.emit({ type: "left-behind", round: this.#options.round, device: device.id });
				}
				break;
			}
			if (!stopping.aborted) await history.append({ type: "leg-end", epoch });
		}
		const order = (a: CachedCodes, b: CachedCodes) => (a.device < b.device ? -1 : a.device > b.device ? 1 : 0);
		return [...cache, ...this.#codes.sort(order)];
	}

	/** Whether codes out of the log are the next ones of their device. */
	lacksCodes({ device, epoch, seq }: CodesMessage): boolean {
		const coder = this.#coders.get(device);
		return coder !== undefined && epoch === this.epoch && coder.next === seq && !coder.done;
	}

	async onCodes(message: CodesMessage, entries: Entries): Promise<void> {
		const { context } = this.#options;
		const { device, epoch, seq } = message;
		const refused = (error: PsglError, retry: boolean) => {
			context.emit({ type: "refused", device, code: error.code, reason: error.what });
			context.downlink.send(refuse(device, error, { type: "codes", epoch, seq }, retry));
		};
		const coder = this.#coders.get(device);
		if (coder === undefined || epoch !== this.epoch) return refused(roundOver(epoch), false);
		if (seq > coder.next) return refused(batchMissing(epoch, seq), true);
		if (seq === coder.next && !coder.done) {
			try {
				await this.#keep(message);
			} catch (error) {
				if (!(error instanceof PsglError)) throw error;
				coder.done = true;
				context.changed.notify();
				return refused(error, false);
			}
			const recorded = context.history.append({ type: "codes", epoch, device, entries });
			context.changed.notify();
			await recorded;
		}
		context.downlink.send({ type: "received", device, of: "codes", epoch, seq });
	}

	/** A device left, or forgot what it was doing. */
	onGone(device: string): void {
		const coder = this.#coders.get(device);
		if (coder !== undefined) coder.done = true;
		this.#options.context.changed.notify();
	}

	/** A device asks for the round again. */
	resend(device: RosterDevice): void {
		const coder = this.#coders.get(device.id);
		if (coder !== undefined && !coder.done) this.#start(device, true);
	}

	async #keep({ device, part, last, tensors }: CodesMessage): Promise<void> {
		const { context, cache } = this.#options;
		const coder = this.#coders.get(device) as Coder;
		if (tensors !== undefined) {
			const { maxCachedCodes } = cloudLimits;
			const kept = cachedSamples(cache) + cachedSamples(this.#codes);
			if (kept + (tensors.labels.dims[0] as number) > maxCachedCodes) {
				throw new LimitError("PSGL_CODES_FULL", {
					what: "the aggregator keeps no more codes",
					got: `${kept} samples, and more`,
					expected: `at most ${maxCachedCodes}`,
					remedy: "Train with fewer devices, or on a part of their samples",
				});
			}
			const smashed = await context.server.decode(tensors.smashed);
			this.#codes.push({ device, part, smashed, labels: context.server.labels(tensors.labels) });
		}
		coder.next++;
		coder.done = last;
	}

	#start(device: RosterDevice, withWeights: boolean): void {
		const { context, epoch, weights } = this.#options;
		sendRound(context, device, { epoch, task: "code", learningRate: 0, weights, withWeights });
	}
}
