import type { KV, KvWatchEntry } from "@nats-io/kv";
import type { Clock } from "@psgl/sdk";
import { cloudLimits as limits } from "../limits.js";
import type { ConsoleEvent } from "../operations/board/console-event.js";
import type { DeviceFigures } from "../operations/board/device-board.js";
import type { RoundFigures, RunState, StepFigures } from "../operations/board/run-board.js";
import type { RunView } from "../operations/board/run-view.js";
import type { PartitionFigures, StorageFigures } from "../operations/board/storage-figures.js";
import type { RunningCloud } from "../operations/running-cloud.js";
import type { Rollout, RolloutDesk } from "../rollout/rollout.js";
import { followKeys } from "../store/follow-keys.js";
import { storeTimeout } from "../store/store-errors.js";
import type { TwinStore } from "../twins/twin-store.js";
import { mergeRounds } from "./merge-rounds.js";
import { boardEntries, type PartitionFacts, parseBoardKey } from "./partition-board.js";
import { giveOrder, type PartitionOrder } from "./partition-orders.js";
import type { RunStore } from "./run-store.js";

export interface StoreViewOptions {
	readonly store: RunStore;
	/** Told what is another than it was. */
	readonly onEvent?: ((event: ConsoleEvent) => void) | undefined;
	/** Gives orders for roll-outs, where the run serves. It is the caller's to close. Default: none. */
	readonly rollout?: Rollout | undefined;
	readonly clock?: Clock | undefined;
}

/** What is known of a partition. */
interface KnownPartition {
	facts: PartitionFacts | undefined;
	readonly rounds: (readonly RoundFigures[])[];
	readonly devices: (readonly DeviceFigures[])[];
}

/**
 * A run on NATS as its partitions' owners write of it into the store, for a process that has none of them. What it shows outlives owners; orders go to whoever
 * has a partition.
 */
export class StoreView implements RunningCloud, RunView, AsyncDisposable {
	readonly #store: RunStore;
	readonly #keys: KV;
	readonly #known: readonly KnownPartition[];
	readonly #closing = new AbortController();
	#following: Promise<void> = Promise.resolve();
	readonly #onEvent: (event: ConsoleEvent) => void;
	readonly #rollout: Rollout | undefined;
	readonly twins: TwinStore;

	private constructor(options: StoreViewOptions, keys: KV, twins: TwinStore) {
		const { store, onEvent = () => undefined, rollout } = options;
		this.#store = store;
		this.#keys = keys;
		this.twins = twins;
		this.#onEvent = onEvent;
		this.#rollout = rollout;
		if (rollout !== undefined) rollout.onChange = () => onEvent({ type: "changed", what: "models" });
		this.#known = Array.from({ length: store.partitions }, () => ({ facts: undefined, rounds: [], devices: [] }));
	}

	/** Follows a run until closed, over whatever becomes of the store's servers. @throws as `RunStore.openKeys`. */
	static async open(options: StoreViewOptions): Promise<StoreView> {
		const { store, clock } = options;
		const view = new StoreView(options, await store.openKeys("boards"), await store.openTwins(limits.orderMs));
		const { signal } = view.#closing;
		const what = "look how the partitions stand";
		const following = { link: store.link, keys: view.#keys, clock, signal, what };
		view.#following = followKeys(following, (entry) => view.#take(entry));
		return view;
	}

	/** Who trains rolls nothing out. */
	get rollout(): RolloutDesk | undefined {
		return this.settings.rounds === 0 ? this.#rollout : undefined;
	}

	get state(): RunState {
		const states = this.#facts.map(({ state }) => state);
		if (states.length === 0) return "starting";
		return (["training", "waiting", "starting"] as const).find((each) => states.includes(each)) ?? "serving";
	}

	get endReason(): string | undefined {
		return this.state === "serving" ? (this.#facts[0]?.endReason ?? undefined) : undefined;
	}

	get devicesNeeded(): number {
		return this.#facts.reduce((sum, { devicesNeeded }) => sum + devicesNeeded, 0);
	}

	get roundsPlanned(): number {
		return Math.max(0, ...this.#facts.map(({ roundsPlanned }) => roundsPlanned));
	}

	get rounds(): readonly RoundFigures[] {
		return mergeRounds(this.#known.map(({ rounds }) => rounds.flat()));
	}

	get steps(): readonly StepFigures[] {
		const steps = this.#facts.flatMap((facts) => facts.steps);
		return steps.sort((a, b) => a.round - b.round || a.step - b.step);
	}

	get round(): number {
		const rounds = this.#facts.map(({ round }) => round);
		return rounds.length === 0 ? 0 : Math.min(...rounds);
	}

	get model(): number {
		return Math.max(0, ...this.#facts.map(({ model }) => model));
	}

	get settings(): Readonly<Record<string, unknown>> {
		return this.#facts[0]?.settings ?? {};
	}

	get partitions(): readonly PartitionFigures[] {
		return this.#known.flatMap(({ facts, devices }, partition) => {
			if (facts === undefined) return [];
			const devicesOnline = devices.flat().filter(({ state }) => state === "online").length;
			return [
				{ partition, state: facts.state, round: facts.round, devicesOnline, owner: facts.epoch, heardAt: facts.at },
			];
		});
	}

	devices(): readonly DeviceFigures[] {
		return this.#known.flatMap(({ devices }) => devices.flat()).sort((a, b) => (a.id < b.id ? -1 : 1));
	}

	async stop(): Promise<void> {
		await this.#orderAll("stop");
	}

	async checkpoint(): Promise<number> {
		return Math.min(...(await this.#orderAll("checkpoint")));
	}

	async storage(): Promise<StorageFigures> {
		const late = AbortSignal.timeout(limits.orderMs);
		const signal = AbortSignal.any([this.#closing.signal, late]);
		const blobs = await this.#store.blobs.list("p", { signal }).catch((error: unknown) => {
			throw late.aborted ? storeTimeout("list checkpoints", limits.orderMs, error) : error;
		});
		const checkpoints = blobs.filter(({ name }) => /^p\d+\/checkpoint-\d+$/.test(name));
		return {
			logs: this.#facts.map(({ log }) => log),
			checkpoints: checkpoints.map(({ name, bytes }) => ({ file: name, bytes, at: null })),
		};
	}

	async close(): Promise<void> {
		this.#closing.abort();
		await this.#following;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	get #facts(): readonly PartitionFacts[] {
		return this.#known.flatMap(({ facts }) => facts ?? []);
	}

	/** Each follows it or says why not; those that did stay as they are. */
	async #orderAll(order: PartitionOrder): Promise<readonly number[]> {
		const { link, name: run } = this.#store;
		const partitions = this.#known.map((_, partition) => partition);
		const outcomes = await Promise.allSettled(
			partitions.map((partition) => giveOrder(link, { run, partition, order })),
		);
		return outcomes.map((outcome) => {
			if (outcome.status === "rejected") throw outcome.reason;
			return outcome.value;
		});
	}

	#take(entry: KvWatchEntry): void {
		const place = parseBoardKey(entry.key);
		if (place === undefined || entry.operation !== "PUT") return;
		const known = this.#known[place.partition];
		if (known === undefined) return;
		try {
			if (place.kind === "facts") this.#takeFacts(known, boardEntries.facts.parse(entry.json()));
			else if (place.kind === "rounds") known.rounds[place.page] = boardEntries.rounds.parse(entry.json());
			else known.devices[place.page] = boardEntries.devices.parse(entry.json());
		} catch {
			// Of another version of psgl, or somebody else's: the owner writes it anew.
			return;
		}
		this.#onEvent({ type: "changed", what: place.kind === "devices" ? "devices" : "run" });
		if (place.kind === "facts") this.#onEvent({ type: "changed", what: "storage" });
	}

	#takeFacts(known: KnownPartition, facts: PartitionFacts): void {
		// Of an owner that was paused and that another has followed.
		if (known.facts !== undefined && facts.epoch < known.facts.epoch) return;
		const before = known.facts?.steps.at(-1);
		known.facts = facts;
		known.rounds.length = Math.min(known.rounds.length, facts.roundPages);
		known.devices.length = Math.min(known.devices.length, facts.devicePages);
		if (before === undefined) return;
		for (const step of facts.steps) {
			const isNew = step.round > before.round || (step.round === before.round && step.step > before.step);
			if (isNew) this.#onEvent({ type: "step", step });
		}
	}
}
