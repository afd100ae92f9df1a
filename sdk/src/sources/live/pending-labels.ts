import { LimitError } from "../../errors.js";
import { type Clock, systemClock } from "../../ports/clock.js";
import { liveLimits } from "./live-limits.js";

export interface PendingLabelsOptions {
	/** Samples that may wait. Default 1,000. */
	readonly maxCount?: number | undefined;
	/** Milliseconds a sample may wait; then it is dropped. Default a week. */
	readonly maxAgeMs?: number | undefined;
	/** What happens when a sample more comes than may wait: the oldest goes (default), or the new one is refused. */
	readonly whenFull?: "drop-oldest" | "refuse" | undefined;
	readonly clock?: Clock | undefined;
}

export interface LabelledSample<Sample, Label> {
	readonly sample: Sample;
	readonly label: Label;
}

interface Waiting<Sample> {
	readonly keys: readonly string[];
	readonly sample: Sample;
	readonly since: number;
}

/**
 * Keeps samples until their labels come, and labels until their samples do: a reading is often written hours after the image. Bounded in
 * count and age both ways.
 */
export class PendingLabels<Sample, Label = number> {
	readonly #maxCount: number;
	readonly #maxAgeMs: number;
	readonly #refuse: boolean;
	readonly #clock: Clock;
	/** In the order they came. */
	#waiting: Waiting<Sample>[] = [];
	readonly #labels = new Map<string, { readonly label: Label; readonly since: number }>();
	#dropped = 0;

	constructor(options: PendingLabelsOptions = {}) {
		this.#maxCount = options.maxCount ?? liveLimits.maxUnlabelled;
		this.#maxAgeMs = options.maxAgeMs ?? liveLimits.maxUnlabelledAgeMs;
		this.#refuse = options.whenFull === "refuse";
		this.#clock = options.clock ?? systemClock;
	}

	/** Samples without a label. */
	get waiting(): number {
		return this.#waiting.length;
	}

	/** Samples that were given up: too old, or pushed out. */
	get dropped(): number {
		return this.#dropped;
	}

	/**
	 * Takes a sample; gives it back at once when its label is known already.
	 * @param keys what a label may name it by, for instance the ids of image and study
	 * @throws LimitError `PSGL_LABELS_FULL` with `refuse`
	 */
	sample(keys: readonly string[], sample: Sample): LabelledSample<Sample, Label> | undefined {
		this.#expire();
		for (const key of keys) {
			const known = this.#labels.get(key);
			if (known !== undefined) return { sample, label: known.label };
		}
		if (this.#waiting.length >= this.#maxCount) {
			if (this.#refuse) {
				throw new LimitError("PSGL_LABELS_FULL", {
					what: "too many samples wait for their labels",
					got: `${this.#waiting.length}`,
					expected: `fewer than ${this.#maxCount}`,
					remedy: "Bring labels, or let more samples wait.",
				});
			}
			this.#waiting.shift();
			this.#dropped += 1;
		}
		this.#waiting.push({ keys, sample, since: this.#clock.now() });
		return undefined;
	}

	/** Takes a label; gives the samples that waited for it. A label stays known for those that come later, as long as samples wait. */
	label(key: string, label: Label): LabelledSample<Sample, Label>[] {
		this.#expire();
		this.#labels.delete(key);
		this.#labels.set(key, { label, since: this.#clock.now() });
		if (this.#labels.size > this.#maxCount) this.#labels.delete(this.#labels.keys().next().value as string);
		const found = this.#waiting.filter(({ keys }) => keys.includes(key));
		if (found.length > 0) this.#waiting = this.#waiting.filter(({ keys }) => !keys.includes(key));
		return found.map(({ sample }) => ({ sample, label }));
	}

	#expire(): void {
		const oldest = this.#clock.now() - this.#maxAgeMs;
		const fresh = this.#waiting.filter(({ since }) => since >= oldest);
		this.#dropped += this.#waiting.length - fresh.length;
		this.#waiting = fresh;
		for (const [key, { since }] of this.#labels) {
			if (since >= oldest) break;
			this.#labels.delete(key);
		}
	}
}
