import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import { DataError } from "@psgl/sdk";
import { z } from "zod";
import type { BlobStore } from "../blobs/blob-store.js";
import { logClosed } from "../log/log-errors.js";
import { LatestCall } from "../rollout/latest-call.js";
import { addCounts, noCounts, type RolloutCounts } from "../rollout/rollout-counts.js";
import { rolloutLimits as limits } from "../rollout/rollout-limits.js";
import {
	type DeviceStates,
	decodeRolloutFacts,
	type RolloutDeviceState,
	type RolloutFacts,
	rolloutDeviceState,
} from "../rollout/rollout-state.js";
import type { KeptFacts, RolloutStore } from "../rollout/rollout-store.js";
import { openKeys } from "./buckets.js";
import { followKeys } from "./follow-keys.js";
import { readEntries } from "./list-keys.js";
import { isMissingStream, isWrongSequence } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";

export interface JetStreamRolloutsOptions {
	readonly link: NatsLink;
	/** Of the run. */
	readonly name: string;
	/** Where candidates lie. */
	readonly blobs: BlobStore;
	/** Part of the fleet whose devices this process serves; undefined: none, it only gives orders. */
	readonly partition?: number | undefined;
	readonly replicas?: number | undefined;
	/** Milliseconds a call waits for a store that does not answer. Default: until it does. */
	readonly timeoutMs?: number | undefined;
	/** Aborts when another process serves the partition: nothing is written any more. */
	readonly signal?: AbortSignal | undefined;
}

const count = z.int().min(0);

/** What became of a roll-out on the devices of a partition. */
const countsEntry = z.strictObject({
	id: z.string(),
	counts: z.strictObject({ offered: count, trial: count, confirmed: count, failed: count }),
	failed: z.array(z.string()).max(limits.failedNamed),
});

type CountsEntry = Readonly<z.infer<typeof countsEntry>>;

/** What became of a roll-out on one device. */
const deviceEntry = z.strictObject({ id: z.string(), state: rolloutDeviceState });

/** Keys that every process follows begin with it: a watch on NATS 2.9 takes one pattern. */
const shared = "shared";
const factsKey = `${shared}.facts`;
const candidates = "rollout/";

/** Devices that are written at a time. */
const writesAtOnce = 64;

/**
 * A staged roll-out in a bucket of JetStream: facts that are compared and set, a key for each device, written by who serves its partition, and counts
 * of each partition. Candidates are blobs under their digests. @throws as `openKeys`.
 */
export async function openJetStreamRollouts(options: JetStreamRolloutsOptions): Promise<RolloutStore> {
	const { link, name, replicas = 1, signal } = options;
	const keys = await openKeys(link, { name: bucketOf(name), replicas, signal });
	const rollouts = new JetStreamRollouts(options, keys);
	await rollouts.learn();
	return rollouts;
}

/** Facts of a run's roll-out, without making a place for one where there is none. @throws as `RolloutStore.read`. */
export async function readRolloutFacts(
	link: NatsLink,
	run: string,
	signal: AbortSignal | undefined,
): Promise<RolloutFacts | undefined> {
	const look = async () => {
		try {
			return await (await new Kvm(link.jetStream).open(bucketOf(run))).get(factsKey);
		} catch (error) {
			if (isMissingStream(error)) return null;
			throw error;
		}
	};
	const entry = await persist(link, look, { signal, what: "look for the roll-out" });
	return entry?.operation === "PUT" ? decodeRolloutFacts(entry.string(), `the bucket ${bucketOf(run)}`) : undefined;
}

class JetStreamRollouts implements RolloutStore {
	readonly #options: JetStreamRolloutsOptions;
	readonly #keys: KV;
	readonly #writes = new LatestCall();
	/** Counts of the other partitions. */
	readonly #others = new Map<string, CountsEntry>();
	/** Keys of devices as they were written, also those of roll-outs before, and of the counts. */
	readonly #written = new Map<string, string>();
	#counted: string | undefined;

	constructor(options: JetStreamRolloutsOptions, keys: KV) {
		this.#options = options;
		this.#keys = keys;
	}

	/** Reads what the other partitions count. */
	async learn(): Promise<void> {
		for (const entry of await this.#entries(countsKey("*"))) this.#learn(entry);
	}

	async read(): Promise<KeptFacts | undefined> {
		const entry = await this.#call("look for the roll-out", () => this.#keys.get(factsKey));
		if (entry === null || entry.operation !== "PUT") return undefined;
		const facts = decodeRolloutFacts(entry.string(), `the bucket ${bucketOf(this.#options.name)}`);
		return { facts, revision: entry.revision };
	}

	async replace(facts: RolloutFacts, revision: number): Promise<KeptFacts | undefined> {
		const text = JSON.stringify(facts);
		const put = () => (revision > 0 ? this.#keys.update(factsKey, text, revision) : this.#keys.create(factsKey, text));
		try {
			return { facts, revision: await this.#call("put the roll-out", put) };
		} catch (error) {
			if (!isWrongSequence(error)) throw error;
			const now = await this.read();
			// Our own, of an attempt whose answer was lost.
			return now !== undefined && JSON.stringify(now.facts) === text ? now : undefined;
		}
	}

	async writeCandidate(artifact: string, bytes: Uint8Array): Promise<void> {
		const { blobs } = this.#options;
		const named = (await this.read())?.facts.artifact;
		const before = await blobs.list(candidates);
		await blobs.put(`${candidates}${artifact}`, bytes);
		for (const { name } of before) {
			if (name !== `${candidates}${artifact}` && name !== `${candidates}${named}`) await blobs.remove(name);
		}
	}

	async readCandidate(artifact: string): Promise<Uint8Array> {
		const name = `${candidates}${artifact}`;
		const bytes = await this.#options.blobs.get(name);
		if (bytes !== undefined) return bytes;
		throw new DataError("PSGL_ROLLOUT_READ", {
			what: `the roll-out's candidate is not in the store`,
			got: `no blob ${name}`,
			remedy: "Take the roll-out back: every device gets the model that is served until then, too",
		});
	}

	async readDevices(id: string): Promise<DeviceStates> {
		const devices = new Map<string, RolloutDeviceState>();
		for (const entry of await this.#entries(this.#deviceKey("*"))) {
			const device = entry.key.split(".").at(-1) as string;
			this.#written.set(device, entry.string());
			const known = parsed(deviceEntry, entry);
			if (known?.id === id) devices.set(device, known.state);
		}
		// Who served the partition before may have ended between the two.
		await this.#writeCounts(id, devices);
		return devices;
	}

	writeDevices(id: string, now: () => DeviceStates): Promise<void> {
		return this.#writes.call(async () => {
			const states = new Map(now());
			const changes: (() => Promise<void>)[] = [];
			for (const [device, state] of states) {
				const text = JSON.stringify({ id, state } satisfies z.infer<typeof deviceEntry>);
				if (this.#written.get(device) !== text) changes.push(() => this.#putDevice(device, text));
			}
			for (const device of this.#written.keys()) {
				if (!states.has(device)) changes.push(() => this.#forgetDevice(device));
			}
			for (let at = 0; at < changes.length; at += writesAtOnce) {
				await Promise.all(changes.slice(at, at + writesAtOnce).map((change) => change()));
			}
			await this.#writeCounts(id, states);
		});
	}

	elsewhere(id: string): RolloutCounts {
		const others = [...this.#others.values()].filter((entry) => entry.id === id);
		return others.reduce<RolloutCounts>(addCounts, noCounts);
	}

	watch(onChange: () => void): Disposable {
		const { link } = this.#options;
		const ended = new AbortController();
		const following = { link, keys: this.#keys, signal: ended.signal, what: "look how the roll-out stands" };
		void followKeys({ ...following, key: `${shared}.>` }, (entry) => {
			if (entry.key === factsKey || this.#learn(entry)) onChange();
		});
		return { [Symbol.dispose]: () => ended.abort() };
	}

	async #putDevice(device: string, text: string): Promise<void> {
		await this.#call("put a device of the roll-out", () => this.#keys.put(this.#deviceKey(device), text));
		this.#written.set(device, text);
	}

	async #forgetDevice(device: string): Promise<void> {
		await this.#call("forget a device of the roll-out", () => this.#keys.purge(this.#deviceKey(device)));
		this.#written.delete(device);
	}

	async #writeCounts(id: string, states: ReadonlyMap<string, RolloutDeviceState>): Promise<void> {
		const counts = { offered: 0, trial: 0, confirmed: 0, failed: 0 };
		for (const state of states.values()) counts[state]++;
		const failed = [...states].filter(([, state]) => state === "failed").map(([device]) => device);
		const entry: CountsEntry = { id, counts, failed: failed.sort().slice(0, limits.failedNamed) };
		const text = JSON.stringify(entry);
		if (this.#counted === text) return;
		await this.#call("count the roll-out's devices", () => this.#keys.put(countsKey(this.#part), text));
		this.#counted = text;
	}

	/** Takes another partition's counts; whether they are that. */
	#learn(entry: KvEntry): boolean {
		const counts = parsed(countsEntry, entry);
		if (counts === undefined || entry.key === countsKey(this.#part)) return false;
		this.#others.set(entry.key, counts);
		return true;
	}

	/** The newest entries under some keys. */
	async #entries(key: string): Promise<readonly KvEntry[]> {
		const { link, timeoutMs, signal, name } = this.#options;
		const what = "look how the roll-out stood";
		return readEntries(this.#keys, { link, bucket: bucketOf(name), key, timeoutMs, signal, what });
	}

	get #part(): string {
		const { partition } = this.#options;
		return partition === undefined ? "none" : `p${partition}`;
	}

	#deviceKey(device: string): string {
		return `devices.${this.#part}.${device}`;
	}

	async #call<T>(what: string, call: () => Promise<T>): Promise<T> {
		const { link, timeoutMs, signal } = this.#options;
		try {
			return await persist(link, call, { signal, timeoutMs, what });
		} catch (error) {
			throw signal?.aborted ? logClosed() : error;
		}
	}
}

function bucketOf(run: string): string {
	return `${run}-rollout`;
}

function countsKey(part: string): string {
	return `${shared}.counts.${part}`;
}

/** Undefined when it is of another version of psgl, or somebody else's. */
function parsed<T>(kind: z.ZodType<T>, entry: KvEntry): T | undefined {
	try {
		return kind.safeParse(entry.json()).data;
	} catch {
		return undefined;
	}
}
