import type { KV } from "@nats-io/kv";
import type { ReportedMessage } from "@psgl/sdk/protocol";
import { checkedTwin, parseTwin, type TwinHalf } from "../twins/twin-documents.js";
import type { DesiredTwin, Twin, TwinStore } from "../twins/twin-store.js";
import { openKeys } from "./buckets.js";
import { followKeys, lastRevision } from "./follow-keys.js";
import { readEntries } from "./list-keys.js";
import { isWrongSequence } from "./nats-faults.js";
import type { NatsLink } from "./nats-link.js";
import { persist } from "./persist.js";

export interface JetStreamTwinsOptions {
	readonly link: NatsLink;
	/** Of the run. */
	readonly name: string;
	readonly replicas?: number | undefined;
	/** Milliseconds a call waits for a store that does not answer. Default: until it does. */
	readonly timeoutMs?: number | undefined;
	readonly signal?: AbortSignal | undefined;
}

interface Found {
	readonly text: string;
	readonly revision: number;
}

/** The devices' twins in a bucket of JetStream, two keys a device. @throws as `openKeys`. */
export async function openJetStreamTwins(options: JetStreamTwinsOptions): Promise<TwinStore> {
	const { link, name, replicas = 1, signal } = options;
	const keys = await openKeys(link, { name: bucketOf(name), replicas, signal });
	return new JetStreamTwins(options, keys, await lastRevision(link, keys, signal));
}

/** What is wanted of a device is compared and set: of two that want something at a time, one is the next version and the other the one after. */
class JetStreamTwins implements TwinStore {
	readonly #options: JetStreamTwinsOptions;
	readonly #keys: KV;
	/** Of the bucket when it was opened: what is wanted after that is told to who watches. */
	readonly #opened: number;

	constructor(options: JetStreamTwinsOptions, keys: KV, opened: number) {
		this.#options = options;
		this.#keys = keys;
		this.#opened = opened;
	}

	async list(): Promise<readonly Twin[]> {
		const { link, timeoutMs, signal, name } = this.#options;
		const all = { link, bucket: bucketOf(name), key: ">", timeoutMs, signal, what: "list twins" };
		const found = new Map((await readEntries(this.#keys, all)).map((entry) => [entry.key, entry.string()]));
		const devices = [...new Set([...found.keys()].map((key) => key.split(".")[1] ?? ""))].sort();
		return devices.map((device) => {
			const half = <H extends TwinHalf>(which: H) => {
				const text = found.get(keyOf(device, which));
				return text === undefined ? undefined : this.#parse(device, which, text);
			};
			return { device, desired: half("desired"), reported: half("reported") };
		});
	}

	async get(device: string): Promise<Twin> {
		const reported = await this.#find(device, "reported");
		return {
			device,
			desired: await this.desired(device),
			reported: reported && this.#parse(device, "reported", reported.text),
		};
	}

	async desired(device: string): Promise<DesiredTwin | undefined> {
		const found = await this.#find(device, "desired");
		return found && this.#parse(device, "desired", found.text);
	}

	async set(device: string, settings: Readonly<Record<string, unknown>>): Promise<DesiredTwin> {
		const checked = checkedTwin(device, settings);
		const key = keyOf(device, "desired");
		for (;;) {
			const found = await this.#find(device, "desired");
			const before = found && this.#parse(device, "desired", found.text);
			const next = { version: (before?.version ?? 0) + 1, settings: checked };
			const text = JSON.stringify(next);
			const put = () => (found ? this.#keys.update(key, text, found.revision) : this.#keys.create(key, text));
			try {
				await this.#call(`want settings of ${device}`, put);
				return next;
			} catch (error) {
				if (!isWrongSequence(error)) throw error;
				// Our own, of an attempt whose answer was lost.
				if ((await this.#find(device, "desired"))?.text === text) return next;
			}
		}
	}

	async reported({ type: _, ...told }: ReportedMessage): Promise<void> {
		const put = () => this.#keys.put(keyOf(told.device, "reported"), JSON.stringify(told));
		await this.#call(`keep what ${told.device} told`, put);
	}

	watch(onChange: (device: string) => void): Disposable {
		const { link } = this.#options;
		const ended = new AbortController();
		const what = "look what is wanted of devices";
		const following = { link, keys: this.#keys, key: "desired.*", after: this.#opened, signal: ended.signal, what };
		void followKeys(following, ({ key }) => onChange(key.split(".")[1] as string));
		return { [Symbol.dispose]: () => ended.abort() };
	}

	async #find(device: string, half: TwinHalf): Promise<Found | undefined> {
		const look = () => this.#keys.get(keyOf(device, half));
		const entry = await this.#call(`look for the twin of ${device}`, look);
		return entry === null || entry.operation !== "PUT" ? undefined : { text: entry.string(), revision: entry.revision };
	}

	#parse<H extends TwinHalf>(device: string, half: H, text: string) {
		return parseTwin(half, text, device, `${keyOf(device, half)} in the bucket ${bucketOf(this.#options.name)}`);
	}

	#call<T>(what: string, call: () => Promise<T>): Promise<T> {
		const { link, timeoutMs, signal } = this.#options;
		return persist(link, call, { signal, timeoutMs, what });
	}
}

function bucketOf(run: string): string {
	return `${run}-twins`;
}

function keyOf(device: string, half: TwinHalf): string {
	return `${half}.${device}`;
}
