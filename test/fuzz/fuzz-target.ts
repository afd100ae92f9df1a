import type { Mutation } from "./mutations.js";

/** A reader of bytes from outside. */
export interface FuzzTarget {
	/** Inputs the reader takes. */
	readonly seeds: readonly Uint8Array[];
	/** Changes that know the format, tried as often as the general ones. */
	readonly mutations?: readonly Mutation[];
	/** Puts checksums and lengths right after a change, as an attacker would; used for every other case. */
	readonly reseal?: (bytes: Uint8Array) => Uint8Array;
	/** Reads one input. Whatever it throws that is no `PsglError` is a finding. */
	read(bytes: Uint8Array): unknown;
	close?(): Promise<void>;
}
