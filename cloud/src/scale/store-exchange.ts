import type { KV } from "@nats-io/kv";
import { type Clock, systemClock } from "@psgl/sdk";
import { z } from "zod";
import type { MergePlace, PartitionExchange } from "../aggregator/partition-merge.js";
import type { MergePart } from "../aggregator/run-record.js";
import { cloudLimits } from "../limits.js";
import { persist } from "../store/persist.js";
import { blobMissing } from "../store/store-errors.js";
import { announceOffer, followOffers } from "./notices.js";
import type { RunStore } from "./run-store.js";

export interface StoreExchangeOptions {
	readonly store: RunStore;
	readonly partition: number;
	/** Of the lease of the partition. Default 0: who only makes a run again offers nothing. */
	readonly epoch?: number | undefined;
	/** Keep every copy, for a replay of the whole run. Default false. */
	readonly keepCopies?: boolean | undefined;
	readonly clock?: Clock | undefined;
}

const offerSchema = z.strictObject({
	partition: z.int().min(0),
	/** Round and leg as one number that grows: see `orderOf`. */
	order: z.number(),
	weight: z.number().min(0),
	copy: z.string(),
	sha256: z.string(),
});

type Offer = z.infer<typeof offerSchema>;

/** Offers of a partition that are kept: one that was taken over merges what the others merged, who may be a leg ahead. */
const offersKept = 4;

/** More legs than a round has: the place after its last one. */
const legsPerRound = 2 ** 24;

/** Partitions meet in the store: copies are blobs, and the last offers of each partition a key. */
export class StoreExchange implements PartitionExchange {
	readonly #options: StoreExchangeOptions;
	readonly #keys: KV;
	/** Partitions that did not come: not waited for until they are back. */
	readonly #absent = new Set<number>();

	private constructor(options: StoreExchangeOptions, keys: KV) {
		this.#options = options;
		this.#keys = keys;
	}

	/** Undefined where a run has one partition. @throws as `openKeys`. */
	static async open(options: StoreExchangeOptions): Promise<StoreExchange | undefined> {
		if (options.store.partitions === 1) return undefined;
		return new StoreExchange(options, await options.store.openKeys("merges"));
	}

	async exchange(
		place: MergePlace,
		weight: number,
		copy: Uint8Array,
		signal: AbortSignal,
	): Promise<readonly MergePart[]> {
		const { store, partition, epoch, clock = systemClock } = this.#options;
		const order = orderOf(place);
		const name = `merge/p${partition}/${place.round}-${place.leg}`;
		const { sha256 } = await store.blobs.put(name, copy, { epoch, signal });
		const own = { partition, order, weight, copy: name, sha256 };
		await this.#offer(own);
		using offers = followOffers(store.link, store.name);
		const parts = new Map<number, Offer>([[partition, own]]);
		const deadline = clock.now() + cloudLimits.mergeTimeoutMs;
		for (;;) {
			const missing = await this.#collect(parts, order, signal);
			for (const other of parts.keys()) this.#absent.delete(other);
			const awaited = missing.filter((other) => !this.#absent.has(other));
			if (awaited.length === 0 || signal.aborted) break;
			if (clock.now() >= deadline) {
				for (const other of awaited) this.#absent.add(other);
				break;
			}
			await offers.next(clock, signal);
		}
		await this.#forget(place.round);
		return [...parts.values()]
			.sort((a, b) => a.partition - b.partition)
			.map(({ order: _order, ...part }) => part)
			.filter((part) => part.partition === partition || part.weight > 0);
	}

	async copy({ copy }: MergePart): Promise<Uint8Array> {
		const bytes = await this.#options.store.blobs.get(copy);
		if (bytes === undefined) throw blobMissing(copy);
		return bytes;
	}

	async finish(): Promise<void> {
		const { partition } = this.#options;
		const after = { round: Number.MAX_SAFE_INTEGER / legsPerRound - 1, leg: 0, last: true };
		await this.#offer({ partition, order: orderOf(after), weight: 0, copy: "", sha256: "" });
	}

	/** Takes what the others have offered at a place or after it; returns who has not. */
	async #collect(parts: Map<number, Offer>, order: number, signal: AbortSignal): Promise<readonly number[]> {
		const { store } = this.#options;
		const others = Array.from({ length: store.partitions }, (_, i) => i).filter((i) => !parts.has(i));
		const missing: number[] = [];
		const look = async (other: number) => {
			const offers = await this.#offersOf(other, signal);
			const offer = offers.find((each) => each.order >= order);
			if (offer !== undefined) parts.set(other, offer);
			else missing.push(other);
		};
		await Promise.all(others.map(look));
		return missing;
	}

	/** The last offers of a partition, the oldest first. */
	async #offersOf(partition: number, signal?: AbortSignal): Promise<readonly Offer[]> {
		const look = () => this.#keys.get(`p${partition}`);
		const entry = await persist(this.#options.store.link, look, { signal, what: "look for a partition's copy" });
		return entry === null ? [] : (z.array(offerSchema).safeParse(entry.json()).data ?? []);
	}

	async #offer(offer: Offer): Promise<void> {
		const before = (await this.#offersOf(offer.partition)).filter(({ order }) => order < offer.order);
		const offers = JSON.stringify([...before, offer].slice(-offersKept));
		const put = () => this.#keys.put(`p${offer.partition}`, offers);
		const { link, name } = this.#options.store;
		await persist(link, put, { what: "offer a partition's copy" });
		announceOffer(link, name);
	}

	/** Copies that no checkpoint which is kept needs, here or in a partition that is a round behind. */
	async #forget(round: number): Promise<void> {
		const { store, partition, epoch, keepCopies } = this.#options;
		const old = round - cloudLimits.checkpointsKept - 2;
		if (keepCopies || old < 1) return;
		for (const { name } of await store.blobs.list(`merge/p${partition}/${old}-`)) {
			await store.blobs.remove(name, { epoch });
		}
	}
}

function orderOf({ round, leg, last }: MergePlace): number {
	return round * legsPerRound + (last ? legsPerRound - 1 : leg);
}
