import { DisclosureLedger } from "../ledger/disclosure-ledger.js";
import { ledgerPrefix } from "../ledger/ledger-slots.js";
import type { Clock } from "../ports/clock.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import type { Random } from "../ports/random.js";
import { decodeEnvelope, encodeEnvelope, protocolLimits, type WelcomeMessage } from "../protocol/index.js";
import { trustPrefix } from "../trust/model-trust.js";
import { twinKey } from "../twin/device-twin.js";
import type { ClientState } from "./client-state.js";
import { fingerprint } from "./data-fingerprint.js";
import type { CheckedData } from "./device-data.js";
import { type DeviceRecord, deviceRecordChange, readDeviceRecord } from "./device-record.js";
import { ModelSlots, type Rejection } from "./model-slots.js";
import { type KeptMessage, Outbox } from "./outbox.js";
import type { PerturbationStore } from "./perturbation-store.js";
import {
	perturbationChange,
	progressChange,
	type RestoredDevice,
	readRestored,
	withoutPerturbations,
} from "./restored-device.js";
import type { RoundProgress } from "./round-progress.js";

/** Parts of a device's state that are written together. */
export interface DeviceChanges {
	readonly state?: ClientState | undefined;
	/** Null when there is no round any more. */
	readonly progress?: RoundProgress | null | undefined;
	/** The only message these are the answer to; absent: nothing is in flight after them. */
	readonly answered?: KeptMessage | undefined;
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

/** Whose records these are, and how they are told from those of another memory. */
interface Owner extends DeviceRecord {
	/** The device has none of the samples the records belong to. */
	readonly lacksData: boolean;
	readonly newSession: () => number;
}

/**
 * What a device must know after a crash to go on where it was: its session, the aggregator's terms and artifact, weights
 * and optimiser, perturbations, its place in the round, and the message that has no answer. All that one answer changes
 * is written at once, so the store is always a state between two steps. Without a store nothing is kept.
 */
export class DeviceRecords {
	readonly outbox: Outbox;
	readonly ledger: DisclosureLedger;
	/** Places for two models; undefined without a store. */
	readonly slots: ModelSlots | undefined;
	#restored: RestoredDevice | undefined;
	readonly #store: DeviceStore | undefined;
	#owner: Owner;
	/** The terms in force; with a store, those of the artifact in it. */
	#welcome: WelcomeMessage | undefined;
	#progress: RoundProgress | undefined;

	private constructor(
		store: DeviceStore | undefined,
		slots: ModelSlots | undefined,
		outbox: Outbox,
		ledger: DisclosureLedger,
		owner: Owner,
		restored: RestoredDevice | undefined,
	) {
		this.#store = store;
		this.slots = slots;
		this.outbox = outbox;
		this.ledger = ledger;
		this.#owner = owner;
		this.#restored = restored;
		this.#welcome = restored?.welcome;
		this.#progress = restored?.progress;
	}

	/**
	 * Reads the store. Records that belong to other samples are removed: the device then starts anew.
	 * @param opened ledger of the same device, opened before
	 * @throws ConfigError `PSGL_STORE_DEVICE`, `PSGL_LEDGER_DEVICE` when it is another device's; DataError `PSGL_STORE_DAMAGED`,
	 * `PSGL_STORE_FORMAT`, `PSGL_STORE_WRITE`, `PSGL_LEDGER_DAMAGED`.
	 */
	static async open(options: DeviceRecordsOptions, opened?: DisclosureLedger): Promise<DeviceRecords> {
		const { id, store, clock, random, maxOutboxBytes, maxOutboxAgeMs } = options;
		const known = store && (await readDeviceRecord(store, id));
		const lacksData = options.data === undefined;
		// A device that has not been given its samples yet leaves what it has of them alone.
		const data = lacksData || store === undefined ? (known?.data ?? "") : await fingerprint(options.data);
		const newSession = () => random.integer(protocolLimits.maxCounter);
		const session = known?.data === data ? known.session : newSession();
		const { endsWithProcess } = options;
		const pastReleases = known !== undefined;
		const ledger = opened ?? (await DisclosureLedger.open({ device: id, store, endsWithProcess, pastReleases }));
		if (store !== undefined && known?.data !== data) {
			// Which models the device had, and what it has released, it knows whatever its samples are.
			const stays = [trustPrefix, ledgerPrefix, twinKey];
			const keys = (await store.keys("")).filter((key) => !stays.some((prefix) => key.startsWith(prefix)));
			const old = keys.map((key) => ({ key, value: undefined }));
			await store.write([...old, deviceRecordChange({ id, session, data }), ledger.firstPage]);
		}
		const outbox = await Outbox.open({ store, clock, maxBytes: maxOutboxBytes, maxAgeMs: maxOutboxAgeMs });
		const slots = store && (await ModelSlots.open(store));
		if (slots?.onTrial) await store?.write(slots.start());
		const restored = store && slots && (await readRestored(store, slots));
		return new DeviceRecords(store, slots, outbox, ledger, { id, session, data, lacksData, newSession }, restored);
	}

	/** Number of this device's memory: another one tells the aggregator that the device has forgotten everything. */
	get session(): number {
		return this.#owner.session;
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
			all.push(progressChange(undefined), ...this.outbox.clear());
		}
		if (this.#store !== undefined && (another || before?.robustBudget !== welcome?.robustBudget)) {
			all.push(...(await withoutPerturbations(this.#store)));
		}
		await this.#store?.write(all);
	}

	/** Writes what one answer changed, and that the messages in the outbox have theirs, or the one that was answered. */
	async settle({ state, progress, answered, perturbations }: DeviceChanges): Promise<void> {
		const changes: StoreChange[] = [...this.outbox.clear(answered)];
		const { id, data, lacksData, newSession } = this.#owner;
		if (lacksData && progress === null && this.#progress?.done === false) {
			// Its place in the round is lost: the aggregator must not wait for the rest of it.
			this.#owner = { ...this.#owner, session: newSession() };
			changes.push(deviceRecordChange({ id, data, session: this.#owner.session }));
		}
		if (progress !== undefined) this.#progress = progress ?? undefined;
		if (this.#store === undefined) return;
		if (state !== undefined && this.slots !== undefined)
			changes.push({ key: this.slots.key("client"), value: state.record });
		if (progress !== undefined) changes.push(progressChange(progress ?? undefined));
		if (perturbations !== undefined) {
			const { store, indices } = perturbations;
			for (let i = 0; i < indices.length; i++) {
				const index = indices[i] as number;
				changes.push(perturbationChange(index, store.row(index).slice()));
			}
		}
		if (changes.length > 0) await this.#store.write(changes);
	}

	async close(): Promise<void> {
		await this.#store?.close();
	}
}
