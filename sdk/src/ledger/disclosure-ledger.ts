import type { Manifest } from "../artifact/index.js";
import { ConfigError, DataError } from "../errors.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import type { Random } from "../ports/random.js";
import type { DisclosureTotals } from "../protocol/index.js";
import { writeRecord } from "../store/record.js";
import { judgeReleases } from "./judge-releases.js";
import {
	isSoundHeader,
	type LedgerHeader,
	type LedgerRecord,
	type LedgerTerms,
	ledgerDamaged,
	readLedger,
	stricter,
} from "./ledger-record.js";
import { LedgerSlots, ledgerPrefix, ledgerRecordPrefix } from "./ledger-slots.js";
import { ReleasePermit, type Slot } from "./release-permit.js";
import type { CodeIdentity, Disclosure } from "./release-rules.js";

const format = 1;

/** Draws of the operating system, of 32 bits and more each, that make a secret. */
const keyDraws = 8;

const headerKey = `${ledgerPrefix}header`;

export interface DisclosureLedgerOptions {
	readonly device: string;
	/** Undefined: the ledger ends with the process. */
	readonly store: DeviceStore | undefined;
	/** So does the device: it keeps to a budget without a store. Default false. */
	readonly endsWithProcess?: boolean | undefined;
	/** The store was in use before there was a ledger in it. */
	readonly pastReleases: boolean;
}

/**
 * What a device has ever released of each record, in bits, by what is in the record: names, numbers and files do not matter. A record
 * keeps its count for life. Each release is in the store before its first byte leaves, so that a crash may count what was never sent,
 * but never the other way round. No clock is asked.
 */
export class DisclosureLedger {
	/** Whether it lasts as long as the device. */
	readonly durable: boolean;
	readonly #store: DeviceStore | undefined;
	#header: LedgerHeader;
	readonly #slots: LedgerSlots;
	/** Records in the store. */
	#stored: number;
	/** The last write; the next one starts when it has ended. */
	#writing: Promise<unknown> = Promise.resolve();
	/** The last release of stored codes; the next one waits for it, for a code in the making is not stored yet. */
	#coding: Promise<void> = Promise.resolve();

	private constructor(store: DeviceStore | undefined, durable: boolean, header: LedgerHeader) {
		this.#store = store;
		this.#slots = new LedgerSlots(store);
		this.durable = durable;
		this.#header = header;
		this.#stored = header.records;
	}

	/** @throws ConfigError `PSGL_LEDGER_DEVICE`; DataError `PSGL_LEDGER_DAMAGED`, `PSGL_STORE_DAMAGED`. */
	static async open({
		device,
		store,
		endsWithProcess = false,
		pastReleases,
	}: DisclosureLedgerOptions): Promise<DisclosureLedger> {
		const bytes = await store?.get(headerKey);
		const records = (await store?.keys(ledgerRecordPrefix))?.length ?? 0;
		const header: LedgerHeader =
			bytes === undefined
				? newHeader(device, pastReleases)
				: readLedger<LedgerHeader>(bytes, (header) => header.format === format && isSoundHeader(header));
		if (header.records !== records) {
			throw ledgerDamaged(`${records} records where its first page tells of ${header.records}`);
		}
		if (header.device !== device) {
			throw new ConfigError("PSGL_LEDGER_DEVICE", {
				what: "the disclosure ledger is another device's: it does not know what this one has released",
				got: `the ledger of ${header.device}`,
				expected: `one of ${device}`,
				remedy: "Give the device the store it had; every device needs one of its own",
			});
		}
		return new DisclosureLedger(store, store !== undefined || endsWithProcess, header);
	}

	/** The first page as a store's first write has to have it: a store in use without one is older than its ledger. */
	get firstPage(): StoreChange {
		return { key: headerKey, value: writeRecord(this.#header) };
	}

	/** What the device tells of it. */
	get totals(): DisclosureTotals {
		const { records, releases, bits, mostBits, mostEpsilon, budgetBits, leftOut } = this.#header;
		return {
			records,
			releases,
			bits,
			mostBits,
			mostEpsilon,
			leftOut,
			...(budgetBits !== null && { budgetBits }),
		};
	}

	/**
	 * Accepts the terms of an artifact, or of the device's owner, for good: of all terms ever accepted the strictest apply to every record.
	 * @throws ConfigError `PSGL_LEDGER_VOLATILE` when there is no store; DataError `PSGL_LEDGER_OLD` when releases from before are not
	 * counted, `PSGL_STORE_WRITE`.
	 */
	async accept(disclosure: Manifest["disclosure"]): Promise<void> {
		const terms = this.requireAcceptable(disclosure);
		const { budgetBits, maxCodings, labelEpsilon = null } = this.#header;
		const same = budgetBits === terms.budgetBits && maxCodings === terms.maxCodings;
		if (same && labelEpsilon === terms.labelEpsilon) return;
		this.#header = { ...this.#header, ...terms };
		await this.#write([], []);
	}

	/**
	 * The terms that would apply after `accept`; nothing changes.
	 * @throws ConfigError `PSGL_LEDGER_VOLATILE`, DataError `PSGL_LEDGER_OLD` as `accept`.
	 */
	requireAcceptable({ release, refreshes, budgetBits, randomisedLabels }: Manifest["disclosure"]): LedgerTerms {
		const codings = release === "once" ? 1 : (refreshes ?? null);
		const terms = {
			budgetBits: stricter(this.#header.budgetBits, budgetBits),
			maxCodings: stricter(this.#header.maxCodings, codings),
			labelEpsilon: stricter(this.#header.labelEpsilon ?? null, randomisedLabels?.epsilon ?? null),
		};
		if (Object.values(terms).every((term) => term === null)) return terms;
		if (!this.durable) {
			throw new ConfigError("PSGL_LEDGER_VOLATILE", {
				what: "a device without a store cannot keep to disclosure terms: it would forget what it has released",
				remedy: "Give the device a store: psgl device --state DIR, or DeviceOptions.store",
			});
		}
		if (this.#header.uncounted > 0) {
			throw ledgerOld("releases from before its first page, or beyond what it can count");
		}
		return terms;
	}

	/**
	 * How labels are shown by the terms that apply; undefined: as they are. The secret is drawn with the first call and kept for life.
	 * @throws DataError `PSGL_STORE_WRITE`.
	 */
	async labelTerms(
		noise: Pick<Random, "uniform">,
	): Promise<{ readonly epsilon: number; readonly key: string } | undefined> {
		const { labelEpsilon = null, labelKey } = this.#header;
		if (labelEpsilon === null) return undefined;
		const key = labelKey ?? Array.from({ length: keyDraws }, () => noise.uniform()).join(" ");
		if (labelKey === undefined) {
			this.#header = { ...this.#header, labelKey: key };
			await this.#write([], []);
		}
		return { epsilon: labelEpsilon, key };
	}

	/**
	 * Compares with what the aggregator remembers. A ledger that has counted less keeps to no budget any more.
	 * @param told the most releases this device has told of
	 * @throws DataError `PSGL_LEDGER_OLD` when these are more than the ledger has and there is a budget; `PSGL_STORE_WRITE`.
	 */
	async requireLatest(told: number | undefined): Promise<void> {
		const { releases, uncounted, budgetBits, maxCodings } = this.#header;
		if (told === undefined || !this.durable || told <= releases) return;
		if (budgetBits !== null || maxCodings !== null) {
			throw ledgerOld(`${releases} releases where the device has told of ${told}`);
		}
		this.#header = { ...this.#header, releases: told, uncounted: uncounted + told - releases };
		await this.#write([], []);
	}

	/**
	 * Counts a release in advance. Records whose terms do not allow it are left out; with `whole`, all are when one is. Nothing may leave
	 * before the permit's `write` has ended.
	 * @param coding what codes the records; absent for what is not stored
	 * @throws DataError `PSGL_LEDGER_DAMAGED`, `PSGL_STORE_DAMAGED`.
	 */
	async admit(
		disclosures: readonly Disclosure[],
		{ coding, whole = false }: { readonly coding?: CodeIdentity | undefined; readonly whole?: boolean } = {},
	): Promise<ReleasePermit> {
		const done = coding === undefined ? () => undefined : await this.#takeTurn();
		const pinned = disclosures.map(({ digest }) => this.#slots.pin(digest));
		const slots: Slot[] = [];
		const release = () => {
			for (const { digest } of disclosures) this.#slots.unpin(digest);
			done();
		};
		try {
			const inHand = pinned.every((slot) => "digest" in slot);
			slots.push(...(inHand ? pinned : await Promise.all(pinned)));
			// Nothing waits between a decision and its count: no other release comes in between.
			const { header, verdicts } = judgeReleases(this.#header, disclosures, slots, { coding, whole });
			this.#header = header;
			return new ReleasePermit({ slots, verdicts, coding, write: (changes) => this.#write(slots, changes), release });
		} catch (error) {
			release();
			throw error;
		}
	}

	/** A record's count so far. @throws DataError `PSGL_LEDGER_DAMAGED`. */
	async record(digest: string): Promise<LedgerRecord> {
		try {
			return (await this.#slots.pin(digest)).record;
		} finally {
			this.#slots.unpin(digest);
		}
	}

	/** One write after the other, each with the newest counts, so that a later one never has a lower count. */
	async #write(slots: readonly Slot[], changes: readonly StoreChange[]): Promise<void> {
		const store = this.#store;
		if (store === undefined) return;
		const writing = this.#writing.then(async () => {
			const counted = [...new Set(slots)].filter((slot) => slot.known);
			const added = counted.filter((slot) => !slot.stored);
			const header = { ...this.#header, records: this.#stored + added.length };
			await store.write([
				...changes,
				...counted.map(({ digest, record }) => ({ key: ledgerRecordPrefix + digest, value: writeRecord(record) })),
				{ key: headerKey, value: writeRecord(header) },
			]);
			this.#stored = header.records;
			for (const slot of added) slot.stored = true;
		});
		this.#writing = writing.catch(() => undefined);
		await writing;
	}

	/** Resolves when the release of stored codes before has ended; call the result at the end of this one. */
	async #takeTurn(): Promise<() => void> {
		const before = this.#coding;
		let end: () => void = () => undefined;
		this.#coding = new Promise((resolve) => {
			end = resolve;
		});
		await before;
		return end;
	}
}

function newHeader(device: string, pastReleases: boolean): LedgerHeader {
	return {
		format,
		device,
		records: 0,
		releases: 0,
		bits: 0,
		mostBits: 0,
		mostEpsilon: 0,
		budgetBits: null,
		maxCodings: null,
		uncounted: pastReleases ? 1 : 0,
		leftOut: 0,
	};
}

function ledgerOld(got: string): DataError {
	return new DataError("PSGL_LEDGER_OLD", {
		what: "the device's disclosure ledger does not tell of everything the device has released",
		got,
		expected: "a ledger that has counted every release",
		remedy:
			"Put back the latest copy of the device's store, or begin a new store with samples of which nothing was ever sent (docs/privacy.md)",
	});
}
