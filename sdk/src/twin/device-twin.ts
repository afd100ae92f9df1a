import type { ResourceBudget } from "../budget/resource-budget.js";
import type { WorkGate } from "../budget/work-gate.js";
import type { DeviceStore } from "../ports/device-store.js";
import type { DesiredMessage, DisclosureTotals, ReportedMessage, TwinValue } from "../protocol/index.js";
import { readRecord, writeRecord } from "../store/record.js";
import { type CheckedTwin, checkTwin, type TwinSettings } from "./twin-settings.js";

/** Record of the device's store. It belongs to no samples, as what the device has released. */
export const twinKey = "twin";

interface TwinRecord {
	readonly version: number;
	readonly wanted: Readonly<Record<string, unknown>>;
}

export interface DeviceTwinOptions {
	readonly device: string;
	readonly store: DeviceStore | undefined;
	readonly gate: WorkGate;
}

/**
 * A device's half of its digital twin: what its operator wants of it, kept over restarts and applied between two batches, and what is in
 * force. Later versions replace earlier ones whole; what comes late or twice changes nothing.
 */
export class DeviceTwin {
	readonly #options: DeviceTwinOptions;
	/** As the device was started. */
	readonly #own: ResourceBudget;
	#record: TwinRecord;
	#applied: CheckedTwin = { settings: {}, errors: {} };
	#appliedVersion = 0;

	private constructor(options: DeviceTwinOptions, record: TwinRecord) {
		this.#options = options;
		this.#own = options.gate.budget;
		this.#record = record;
	}

	/** Reads what was kept, and applies it. @throws DataError `PSGL_STORE_DAMAGED`. */
	static async open(options: DeviceTwinOptions): Promise<DeviceTwin> {
		const bytes = await options.store?.get(twinKey);
		const record = bytes === undefined ? { version: 0, wanted: {} } : readRecord<TwinRecord>(bytes);
		const twin = new DeviceTwin(options, record);
		twin.apply();
		return twin;
	}

	/** Settings in force. */
	get settings(): TwinSettings {
		return this.#applied.settings;
	}

	/** Keeps what is wanted, to be applied at the next safe point. @throws DataError `PSGL_STORE_WRITE`. */
	async take({ version, settings }: DesiredMessage): Promise<void> {
		if (version <= this.#record.version) return;
		const record = { version, wanted: settings };
		await this.#options.store?.write([{ key: twinKey, value: writeRecord(record) }]);
		this.#record = record;
	}

	/** Applies what is wanted; call it between two batches. @returns whether anything was to be applied */
	apply(): boolean {
		const { version, wanted } = this.#record;
		if (version === this.#appliedVersion) return false;
		this.#appliedVersion = version;
		const checked = checkTwin(wanted);
		const { window: _, dtypes: __, ...budget } = checked.settings;
		const { gate } = this.#options;
		gate.budget = { ...this.#own, ...budget };
		const errors: Record<string, string> = { ...checked.errors };
		try {
			if (budget.nice !== undefined) gate.giveWay();
		} catch (error) {
			errors.nice = (error as Error).message.slice(0, 200);
		}
		this.#applied = { settings: checked.settings, errors };
		return true;
	}

	/** What is in force, for the cloud. */
	report(disclosure: DisclosureTotals): ReportedMessage {
		const { settings, errors } = this.#applied;
		return {
			type: "reported",
			device: this.#options.device,
			version: this.#appliedVersion,
			settings: settings as Readonly<Record<string, TwinValue>>,
			errors,
			disclosure,
		};
	}
}
