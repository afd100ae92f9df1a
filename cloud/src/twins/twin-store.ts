import type { ReportedMessage } from "@psgl/sdk/protocol";
import type { TwinSettings } from "@psgl/sdk/twin";

/** What an operator wants of a device. */
export interface DesiredTwin {
	/** Counted from 1 for each device. */
	readonly version: number;
	readonly settings: TwinSettings;
}

/** What a device told last. */
export type ReportedTwin = Omit<ReportedMessage, "type">;

/** Both halves of a device's digital twin. */
export interface Twin {
	readonly device: string;
	readonly desired: DesiredTwin | undefined;
	readonly reported: ReportedTwin | undefined;
}

/** Where the devices' digital twins are kept. Several processes may use one: some want settings, others tell devices of them and keep what they report. */
export interface TwinStore {
	/** Twins of which anything is known, by the devices' names. @throws DataError `PSGL_TWIN_DAMAGED`. */
	list(): Promise<readonly Twin[]>;
	/** @throws DataError `PSGL_TWIN_DAMAGED`. */
	get(device: string): Promise<Twin>;
	/** What is wanted of a device. @throws DataError `PSGL_TWIN_DAMAGED`. */
	desired(device: string): Promise<DesiredTwin | undefined>;
	/**
	 * Wants settings of a device in place of all before, as the next version.
	 * @throws ConfigError `PSGL_TWIN_REFUSED` for a device's name or a setting that cannot be used; DataError `PSGL_TWIN_DAMAGED`.
	 */
	set(device: string, settings: Readonly<Record<string, unknown>>): Promise<DesiredTwin>;
	/** Keeps what a device told. */
	reported(message: ReportedMessage): Promise<void>;
	/** Calls `onChange` with a device's name when something else is wanted of it, until it is disposed of. */
	watch(onChange: (device: string) => void): Disposable;
}
