import type { KV } from "@nats-io/kv";
import type { Clock } from "@psgl/sdk";
import type { Aggregator } from "../aggregator/aggregator.js";
import type { AggregatorEvent } from "../aggregator/events.js";
import { cloudLimits as limits } from "../limits.js";
import type { Log } from "../log/log.js";
import { DeviceBoard } from "../operations/board/device-board.js";
import { RunBoard } from "../operations/board/run-board.js";
import { persist } from "../store/persist.js";
import { boardEntries, boardKey, type PartitionFacts, pagesOf, partitionFacts } from "./partition-board.js";
import type { RunStore } from "./run-store.js";

export interface BoardWriterOptions {
	readonly store: RunStore;
	readonly partition: number;
	readonly epoch: number;
	readonly aggregator: Aggregator;
	/** Names of the losses of a step. */
	readonly streams: readonly string[];
	readonly log: Log;
	readonly clock: Clock;
	/** Another owns the partition: nothing is written any more. */
	readonly lost: AbortSignal;
	/** Aborting it ends the writing, with what is then. */
	readonly signal: AbortSignal;
}

/**
 * Writes what the operations page shows of a partition into the store while this process owns it, entry by entry where something changed. Nothing depends
 * on it: what cannot be written is written later, and an owner that was paused and writes once more is written over.
 */
export async function writeBoard(options: BoardWriterOptions): Promise<void> {
	const { store, aggregator, clock, lost, signal } = options;
	// From the first event on: it says what the aggregator waits for.
	const events = aggregator.events();
	const writer = new BoardWriter(options, await store.openKeys("boards"));
	await writer.restore();
	void writer.follow(events);
	while (!signal.aborted) {
		const began = performance.now();
		await writer.write();
		// At most a twentieth of the time, however many devices there are.
		const pauseMs = Math.max(limits.boardMs, 20 * (performance.now() - began));
		await clock.sleep(pauseMs, signal).catch(() => undefined);
	}
	if (!lost.aborted) await writer.write(limits.storeCallMs);
}

class BoardWriter {
	readonly #options: BoardWriterOptions;
	readonly #keys: KV;
	readonly #run: RunBoard;
	readonly #devices = new DeviceBoard();
	/** What each entry was written as last. */
	readonly #written = new Map<string, string>();
	#refreshedAt = Number.NEGATIVE_INFINITY;

	constructor(options: BoardWriterOptions, keys: KV) {
		this.#options = options;
		this.#keys = keys;
		this.#run = new RunBoard(options.streams);
		if (options.aggregator.settings.rounds === 0) this.#run.serve();
	}

	/** Takes over the rounds that owners before this one wrote. */
	async restore(): Promise<void> {
		const { partition } = this.#options;
		const facts = partitionFacts.safeParse(await this.#get(boardKey(partition, "facts"))).data;
		for (let page = 0; page < (facts?.roundPages ?? 0); page++) {
			const rounds = boardEntries.rounds.safeParse(await this.#get(boardKey(partition, "rounds", page))).data;
			this.#run.restore(rounds ?? []);
		}
	}

	async follow(events: AsyncIterable<AggregatorEvent>): Promise<void> {
		try {
			for await (const event of events) this.#take(event);
		} catch {
			// What ends the aggregator is told by who owns it.
		}
	}

	/** Writes what is another than it was, and from time to time everything. @param timeoutMs milliseconds each entry may take */
	async write(timeoutMs: number = limits.storeStartMs): Promise<void> {
		const { partition, epoch, aggregator, log, clock } = this.#options;
		if (performance.now() - this.#refreshedAt > limits.boardRefreshMs) {
			this.#written.clear();
			this.#refreshedAt = performance.now();
		}
		const rounds = pagesOf(this.#run.rounds, limits.boardPage);
		const devices = pagesOf(this.#devices.list(aggregator.devices(), aggregator.model), limits.boardPage);
		const put = (key: string, value: object, more?: object) => this.#put(key, value, { timeoutMs, more });
		// The entries tell of one moment: a round that ends while they are written is in none of them, and one that is not in the list is not finished.
		const round = Math.min(aggregator.round, rounds.at(-1)?.at(-1)?.round ?? aggregator.round);
		const { state, endReason = null, devicesNeeded, roundsPlanned, steps } = this.#run;
		const { durable, start, openedAt, end } = log;
		const facts: Omit<PartitionFacts, "at"> = {
			epoch,
			state,
			endReason,
			devicesNeeded,
			roundsPlanned,
			round,
			model: aggregator.model,
			settings: { ...aggregator.settings },
			log: { name: `partition ${partition}`, durable, start, openedAt, end },
			steps: steps.slice(-limits.boardSteps),
			roundPages: rounds.length,
			devicePages: devices.length,
		};
		for (const [page, figures] of rounds.entries()) await put(boardKey(partition, "rounds", page), figures);
		for (const [page, figures] of devices.entries()) await put(boardKey(partition, "devices", page), figures);
		await put(boardKey(partition, "facts"), facts, { at: new Date(clock.now()).toISOString() });
	}

	#take(event: AggregatorEvent): void {
		const now = this.#options.clock.now();
		if (event.type === "step") this.#run.step(event);
		else if (event.type === "round") this.#run.round(event, now);
		else this.#run.other(event);
		this.#devices.event(event, now);
	}

	/** `more` changes with every write, and is no reason for one. */
	async #put(
		key: string,
		value: object,
		{ timeoutMs, more = {} }: { readonly timeoutMs: number; readonly more: object | undefined },
	): Promise<void> {
		const { store, lost } = this.#options;
		const text = JSON.stringify(value);
		if (this.#written.get(key) === text || lost.aborted) return;
		const put = () => this.#keys.put(key, Array.isArray(value) ? text : JSON.stringify({ ...more, ...value }));
		const within = { signal: lost, timeoutMs, what: "write how a partition stands" };
		await persist(store.link, put, within).then(
			() => this.#written.set(key, text),
			// It is tried again with the next ones.
			() => undefined,
		);
	}

	async #get(key: string): Promise<unknown> {
		const { store, signal } = this.#options;
		const get = () => this.#keys.get(key);
		const entry = await persist(store.link, get, { signal, what: "look how a partition stood" });
		try {
			return entry?.json();
		} catch {
			return undefined;
		}
	}
}
