import { decode, encode } from "cborg";

/** The bytes of a record in a device's store: CBOR. */
export function writeRecord(record: object): Uint8Array {
	return encode(record, { ignoreUndefinedProperties: true });
}

/** Reads what `writeRecord` wrote; the store vouches for the bytes. */
export function readRecord<T extends object>(bytes: Uint8Array | undefined): T {
	return decode(bytes ?? new Uint8Array(0)) as T;
}
