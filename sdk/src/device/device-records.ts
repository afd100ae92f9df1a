import { ConfigError, DataError } from "../errors.js";
import { DisclosureLedger, ledgerPrefix } from "../ledger/disclosure-ledger.js";
import type { Clock } from "../ports/clock.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import type { Random } from "../ports/random.js";
import { checksum } from "../protocol/checksum.js";
import { decodeEnvelope, encodeEnvelope, protocolLimits, type WelcomeMessage } from "../protocol/index.js";
import { readRecord, writeRecord } from "../store/record.js";
import { trustPrefix } from "../trust/model-trust.js";
import type { ClientState } from "./client-state.js";
import type { CheckedData } from "./device-data.js";
import { ModelSlots, type Rejection } from "./model-slots.js";
import { Outbox } from "./outbox.js";
import type { PerturbationStore } from "./perturbation-store.js";
import type { RoundProgress } from "./round-progress.js";

/** Changes with what is in these records. Format 1 had one place for a model. */
const format = 2;

/** Names of the records. Each perturbation has its own: a step changes those of one batch. */
const names = {
	device: "device",
	progress: "progress",
	perturbations: "perturbation/",
} as const;

/** Whose records these are. */
interface DeviceRecord {
	readonly format: number;
	readonly id: string;
	readonly session: number;
	/** Of the samples the records belong to. */
	readonly data: string;
}

/** What the store held when the device started. */
export interface RestoredDevice {
	readonly welcome: WelcomeMessage;
	readonly artifact: Uint8Array;
	/** Of `ClientState`; undefined while no weights have come and no step was made. */
	readonly client: Uint8Array | undefined;
	readonly progress: RoundProgress | undefined;
	/** Bytes of the perturbations that have changed, by sample. */
	readonly perturbations: ReadonlyMap<number, Uint8Array>;
}

/** Parts of a device's state that are written together. */
export interface DeviceChanges {
	readonly state?: ClientState | undefined;
	/** Null when there is no round any more. */
	readonly progress?: RoundProgress | null | undefined;
	/** Perturbations of the samples at `indices`. */
	readonly perturbations?: { readonly store: PerturbationStore; readonly indices: ArrayLike<number> } | undefined;
}

export interface DeviceRecordsOptions {
	readonly id: string;
	readonly store: DeviceStore | undefined;
	readonly endsWithProcess: boolean;
	readonly data: CheckedData | undefined;
	readonly clock: Clock;
	readonly random: Random;
	readonly maxOutboxBytes: number;
	readonly maxOutboxAgeMs: number;
}

/**
 * What a device must know after a crash to go on where it was: its session, the aggregator's terms and artifact, weights
 * and optimiser, perturbations, its place in the round, and the message that has no answer. All that one answer changes
 * is written at once, so the store is always a state between two steps. Without a store nothing is kept.
 */
export class DeviceRecords {
	readonly outbox: Outbox;
	readonly ledger: DisclosureLedger;
	/** Number of this device's memory: another one tells the aggregator that the device has forgotten everything. */
	readonly session: number;
	/** Places for two models; undefined without a store. */
	readonly slots: ModelSlots | undefined;
	#restored: RestoredDevice | undefined;
	readonly #store: DeviceStore | undefined;
	/** The terms in force; with a store, those of the artifact in it. */
	#welcome: WelcomeMessage | undefined;
	#progress: RoundProgress | undefined;

	private constructor(
		store: DeviceStore | undefined,
		slots: ModelSlots | undefined,
		outbox: Outbox,
		ledger: DisclosureLedger,
		session: number,
		restored: RestoredDevice | undefined,
	) {
		this.#store = store;
		this.slots = slots;
		this.outbox = outbox;
		this.ledger = ledger;
		this.session = session;
		this.#restored = restored;
		this.#welcome = restored?.welcome;
		this.#progress = restored?.progress;
	}

	/**
	 * Reads the store. Records that belong to other samples are removed: the device then starts anew.
	 * @throws ConfigError `PSGL_STORE_DEVICE`, `PSGL_LEDGER_DEVICE` when it is another device's; DataError `PSGL_STORE_DAMAGED`,
	 * `PSGL_STORE_FORMAT`, `PSGL_STORE_WRITE`, `PSGL_LEDGER_DAMAGED`.
	 */
	static async open(options: DeviceRecordsOptions): Promise<DeviceRecords> {
		const { id, store, clock, random, maxOutboxBytes, maxOutboxAgeMs } = options;
		const data = fingerprint(options.data);
		const bytes = await store?.get(names.device);
		const known = bytes && requireOwn(readRecord<DeviceRecord>(bytes), id);
		if (store !== undefined && known?.format === 1) await moveToSlots(store, known);
		const session = known?.data === data ? known.session : random.integer(protocolLimits.maxCounter);
		const ledger = await DisclosureLedger.open({
			device: id,
			store,
			endsWithProcess: options.endsWithProcess,
			pastReleases: known !== undefined,
		});
		if (store !== undefined && known?.data !== data) {
			// Which models the device had, and what it has released, it knows whatever its samples are.
			const stays = [trustPrefix, ledgerPrefix];
			const keys = (await store.keys("")).filter((key) => !stays.some((prefix) => key.startsWith(prefix)));
			const old = keys.map((key) => ({ key, value: undefined }));
			const own: DeviceRecord = { format, id, session, data };
			await store.write([...old, { key: names.device, value: writeRecord(own) }, ledger.firstPage]);
		}
		const outbox = await Outbox.open({ store, clock, maxBytes: maxOutboxBytes, maxAgeMs: maxOutboxAgeMs });
		const slots = store && (await ModelSlots.open(store));
		if (slots?.onTrial) await store?.write(slots.start());
		const restored = store && slots && (await readRestored(store, slots));
		return new DeviceRecords(store, slots, outbox, ledger, session, restored);
	}

	/** What the store held when it was opened, once. */
	takeRestored(): RestoredDevice | undefined {
		const restored = this.#restored;
		this.#restored = undefined;
		return restored;
	}

	/** Whether the artifact of this digest need not be fetched. */
	holds(digest: string): boolean {
		return this.slots === undefined || this.slots.digests.includes(digest);
	}

	/** Where the device is in its round, or was when it was stopped; undefined between runs. */
	get progress(): RoundProgress | undefined {
		return this.#progress;
	}

	/**
	 * Keeps the terms, and the artifact if it came: the first one, or without another place for it. What no longer fits goes:
	 * with another artifact everything that was made with the old one, with other batches the place in the round, with another
	 * budget the perturbations.
	 */
	async enrolled(welcome: WelcomeMessage, artifact: Uint8Array | undefined): Promise<void> {
		const { slots } = this;
		if (slots === undefined) return this.#write([], welcome);
		const first = artifact === undefined ? [] : [slots.first(welcome.artifact)];
		const changes = [...first, { key: slots.key("welcome"), value: encodeEnvelope(welcome) }];
		if (artifact !== undefined) {
			changes.push({ key: slots.key("artifact"), value: artifact }, { key: slots.key("client"), value: undefined });
		}
		await this.#write(changes, welcome);
	}

	/** The artifact in the other slot, if it is this one. */
	async staged(digest: string): Promise<Uint8Array | undefined> {
		const { slots } = this;
		if (slots === undefined || !slots.digests.includes(digest) || this.#welcome?.artifact === digest) return undefined;
		return this.#store?.get(slots.key("artifact", "other"));
	}

	/** A model is about to be checked: it lies in the other slot. */
	async stage(welcome: WelcomeMessage, artifact: Uint8Array): Promise<void> {
		const { slots } = this;
		if (slots === undefined) return;
		const parts = [
			{ key: slots.key("welcome", "other"), value: encodeEnvelope(welcome) },
			{ key: slots.key("artifact", "other"), value: artifact },
		];
		await this.#store?.write(slots.stage(welcome.artifact, parts));
	}

	/** The model in the other slot becomes the device's own, on trial. What was made with the one before it stays with that one. */
	async activate(welcome: WelcomeMessage): Promise<RestoredDevice | undefined> {
		const { slots } = this;
		if (slots === undefined || this.#store === undefined) return undefined;
		const terms = { key: slots.key("welcome", "other"), value: encodeEnvelope(welcome) };
		await this.#write([terms, slots.activate()], welcome);
		return readRestored(this.#store, slots);
	}

	/** The model in the other slot is not tried again. */
	async reject(rejection: Rejection): Promise<void> {
		await this.#store?.write(this.slots?.reject(rejection) ?? []);
	}

	/** Goes back to the model before the active one; undefined when its records are not there. */
	async rollBack(code: string, what: string): Promise<RestoredDevice | undefined> {
		const { slots } = this;
		if (slots === undefined || this.#store === undefined) return undefined;
		const bytes = await this.#store.get(slots.key("welcome", "other"));
		const before = bytes && (decodeEnvelope(bytes) as WelcomeMessage);
		await this.#write(slots.rollBack(code, what), before);
		return readRestored(this.#store, slots);
	}

	/** The active model was of use; true when it has proved itself by that. */
	async used(): Promise<boolean> {
		const { slots } = this;
		if (slots?.onTrial !== true) return false;
		await this.#store?.write(slots.use());
		return !slots.onTrial;
	}

	/** Writes changes together with what other terms make obsolete. */
	async #write(changes: readonly StoreChange[], welcome: WelcomeMessage | undefined): Promise<void> {
		const before = this.#welcome;
		this.#welcome = welcome;
		const all = [...changes];
		const another = before?.artifact !== welcome?.artifact;
		if (another || before?.batchSize !== welcome?.batchSize || before?.seed !== welcome?.seed) {
			this.#progress = undefined;
			all.push({ key: names.progress, value: undefined }, ...this.outbox.clear());
		}
		if (another || before?.robustBudget !== welcome?.robustBudget) {
			const rows = (await this.#store?.keys(names.perturbations)) ?? [];
			all.push(...rows.map((key) => ({ key, value: undefined })));
		}
		await this.#store?.write(all);
	}

	/** Writes what one answer changed, and that the messages in the outbox have theirs. */
	async settle({ state, progress, perturbations }: DeviceChanges): Promise<void> {
		const changes: StoreChange[] = [...this.outbox.clear()];
		if (progress !== undefined) this.#progress = progress ?? undefined;
		if (this.#store === undefined) return;
		if (state !== undefined && this.slots !== undefined)
			changes.push({ key: this.slots.key("client"), value: state.record });
		if (progress === null) changes.push({ key: names.progress, value: undefined });
		else if (progress !== undefined) changes.push({ key: names.progress, value: progressBytes(progress) });
		if (perturbations !== undefined) {
			const { store, indices } = perturbations;
			for (let i = 0; i < indices.length; i++) {
				const index = indices[i] as number;
				changes.push({ key: perturbationName(index), value: store.row(index).slice() });
			}
		}
		if (changes.length > 0) await this.#store.write(changes);
	}

	async close(): Promise<void> {
		await this.#store?.close();
	}
}

function requireOwn(record: DeviceRecord, id: string): DeviceRecord {
	if (record.format !== format && record.format !== 1) {
		throw new DataError("PSGL_STORE_FORMAT", {
			what: "the device's store is of another version of psgl",
			got: `format ${record.format}`,
			expected: `format ${format}, or 1`,
			remedy: "Use the version that wrote it, or remove the folder: the device then starts anew with the next round",
		});
	}
	if (record.id === id) return record;
	throw new ConfigError("PSGL_STORE_DEVICE", {
		what: "the store is another device's",
		got: `the store of ${record.id}`,
		expected: `one of ${id}`,
		remedy: "Give every device a folder of its own",
	});
}

/** What a store of format 1 holds goes into the first of two slots, in one write. */
async function moveToSlots(store: DeviceStore, { id, session, data }: DeviceRecord): Promise<void> {
	const welcome = await store.get("welcome");
	const slots = new ModelSlots(undefined);
	const changes: StoreChange[] = [{ key: names.device, value: writeRecord({ format, id, session, data }) }];
	if (welcome !== undefined) changes.push(slots.first((decodeEnvelope(welcome) as WelcomeMessage).artifact));
	for (const part of ["welcome", "artifact", "client"] as const) {
		changes.push({ key: part, value: undefined }, { key: slots.key(part), value: await store.get(part) });
	}
	await store.write(changes);
}

async function readRestored(store: DeviceStore, slots: ModelSlots): Promise<RestoredDevice | undefined> {
	const welcome = await store.get(slots.key("welcome"));
	const artifact = await store.get(slots.key("artifact"));
	if (welcome === undefined || artifact === undefined) return undefined;
	const progress = await store.get(names.progress);
	const perturbations = new Map<number, Uint8Array>();
	for (const key of await store.keys(names.perturbations)) {
		perturbations.set(Number(key.slice(names.perturbations.length)), (await store.get(key)) as Uint8Array);
	}
	return {
		welcome: decodeEnvelope(welcome) as WelcomeMessage,
		artifact,
		client: await store.get(slots.key("client")),
		progress: progress && readProgress(progress),
		perturbations,
	};
}

function perturbationName(index: number): string {
	return names.perturbations + index;
}

function progressBytes({ round, ...rest }: RoundProgress): Uint8Array {
	return writeRecord({ ...rest, round: encodeEnvelope(round) });
}

function readProgress(bytes: Uint8Array): RoundProgress {
	const { round, ...rest } = readRecord<Omit<RoundProgress, "round"> & { readonly round: Uint8Array }>(bytes);
	return { ...rest, round: decodeEnvelope(round) as RoundProgress["round"] };
}

/** Tells sets of samples apart by their numbers, shapes and labels. */
function fingerprint(data: CheckedData | undefined): string {
	if (data === undefined) return "";
	const parts = [data.train, data.validation].map((part) => {
		if (part === undefined) return "none";
		const { buffer, byteOffset, byteLength } = part.targets ?? Int32Array.from(part.labels);
		return `${part.length}:${checksum(new Uint8Array(buffer, byteOffset, byteLength))}`;
	});
	return [data.shape.join("x"), data.classes, ...parts].join(" ");
}
