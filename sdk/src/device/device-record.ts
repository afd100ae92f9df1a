import { ConfigError, DataError } from "../errors.js";
import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { decodeEnvelope, type WelcomeMessage } from "../protocol/index.js";
import { readRecord, writeRecord } from "../store/record.js";
import { ModelSlots } from "./model-slots.js";

/** Changes with what is in these records. Format 1 had one place for a model. */
const format = 2;

const name = "device";

/** Whose records these are. */
export interface DeviceRecord {
	readonly id: string;
	readonly session: number;
	/** Of the samples the records belong to. */
	readonly data: string;
}

interface VersionedRecord extends DeviceRecord {
	readonly format: number;
}

/**
 * Whose records the store has; undefined when it has none. Those of format 1 are moved to today's.
 * @throws ConfigError `PSGL_STORE_DEVICE` when it is another device's; DataError `PSGL_STORE_FORMAT`, `PSGL_STORE_DAMAGED`,
 * `PSGL_STORE_WRITE`.
 */
export async function readDeviceRecord(store: DeviceStore, id: string): Promise<DeviceRecord | undefined> {
	const bytes = await store.get(name);
	const known = bytes && requireOwn(readRecord<VersionedRecord>(bytes), id);
	if (known?.format === 1) await moveToSlots(store, known);
	return known;
}

/** The change of the store that says so. */
export function deviceRecordChange({ id, session, data }: DeviceRecord): StoreChange {
	return { key: name, value: writeRecord({ format, id, session, data }) };
}

function requireOwn(record: VersionedRecord, id: string): VersionedRecord {
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
async function moveToSlots(store: DeviceStore, own: DeviceRecord): Promise<void> {
	const welcome = await store.get("welcome");
	const slots = new ModelSlots(undefined);
	const changes: StoreChange[] = [deviceRecordChange(own)];
	if (welcome !== undefined) changes.push(slots.first((decodeEnvelope(welcome) as WelcomeMessage).artifact));
	for (const part of ["welcome", "artifact", "client"] as const) {
		changes.push({ key: part, value: undefined }, { key: slots.key(part), value: await store.get(part) });
	}
	await store.write(changes);
}
