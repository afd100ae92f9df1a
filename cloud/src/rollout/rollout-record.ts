import { otherStable } from "./rollout-errors.js";
import { isOver, requireUnderWay, rolledBack } from "./rollout-facts.js";
import type { RolloutFacts } from "./rollout-state.js";
import type { KeptFacts, RolloutStore } from "./rollout-store.js";

/** The facts of a roll-out as this process knows them, changed in step with other processes. */
export class RolloutRecord {
	readonly #store: RolloutStore;
	/** SHA-256 (hex) of the client half of the model that is served. */
	readonly #stable: string;
	#kept: KeptFacts | undefined;

	constructor(store: RolloutStore, stable: string) {
		this.#store = store;
		this.#stable = stable;
	}

	/** Of the roll-out from this model to another; undefined where there is none. */
	get facts(): RolloutFacts | undefined {
		const facts = this.#kept?.facts;
		return facts?.stable === this.#stable && facts.phase !== "finished" ? facts : undefined;
	}

	/**
	 * Reads what is kept. A roll-out whose candidate is the model that is served now is finished.
	 * @throws ConfigError `PSGL_ROLLOUT_STABLE` when one is under way from another model; as the store.
	 */
	async begin(): Promise<void> {
		const kept = await this.#store.read();
		this.#kept = kept;
		if (kept === undefined || isOver(kept.facts) || kept.facts.stable === this.#stable) return;
		if (kept.facts.candidate !== this.#stable) throw otherStable(this.#stable, kept.facts.stable);
		const finished = { ...kept.facts, phase: "finished" } as const;
		this.#kept = (await this.#store.replace(finished, kept.revision)) ?? (await this.#store.read());
	}

	/**
	 * Reads what other processes changed; whether they did.
	 * @throws ConfigError `PSGL_ROLLOUT_STABLE` when the candidate was made the stable model elsewhere; as the store.
	 */
	async look(): Promise<boolean> {
		const before = this.facts;
		const kept = await this.#store.read();
		if (kept?.revision === this.#kept?.revision) return false;
		this.#kept = kept;
		const isFinished = kept?.facts.phase === "finished" && kept.facts.id === before?.id;
		if (isFinished) throw otherStable(this.#stable, kept.facts.candidate);
		return true;
	}

	/** Puts other facts in place of those there are, also when another process does so at the same time. @throws as `next`, `look` and the store. */
	async replace(next: (before: RolloutFacts | undefined) => RolloutFacts): Promise<void> {
		for (;;) {
			const kept = await this.#store.replace(next(this.facts), this.#kept?.revision ?? 0);
			if (kept === undefined) await this.look();
			else {
				this.#kept = kept;
				return;
			}
		}
	}

	/**
	 * Takes the roll-out back, here before it is written down: devices must not wait for a full disk.
	 * @param onTaken told in between
	 * @throws ConfigError `PSGL_ROLLOUT_NONE`; as the store.
	 */
	async rollBack(reason: string, automatic: boolean, onTaken: () => void): Promise<void> {
		let facts = rolledBack(requireUnderWay(this.facts), reason, automatic);
		let revision = this.#kept?.revision ?? 0;
		this.#kept = { facts, revision };
		onTaken();
		for (;;) {
			const kept = await this.#store.replace(facts, revision);
			const now = kept ?? (await this.#store.read());
			if (kept !== undefined || now === undefined || isOver(now.facts) || now.facts.id !== facts.id) {
				this.#kept = now;
				return;
			}
			facts = rolledBack(now.facts, reason, automatic);
			revision = now.revision;
		}
	}
}
