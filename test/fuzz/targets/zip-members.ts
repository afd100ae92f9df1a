import { unzipSync, zipSync } from "fflate";
import type { FuzzTarget } from "../fuzz-target.js";
import { type Mutation, mutations, pick } from "../mutations.js";

type Members = Record<string, Uint8Array>;

/** Members larger than this are not packed again: it would take most of the time. */
const largest = 1 << 20;

/**
 * Changes what is inside a zip archive and packs it again, with sizes and CRCs that are right.
 * @param change makes changes of a member by its name; undefined: any bytes do
 */
export function changeMember(change: (name: string) => Mutation | undefined): Mutation {
	return (bytes, random, seeds) => {
		const members = unpacked(bytes);
		const names = Object.keys(members ?? {});
		if (members === undefined || names.length === 0) return bytes;
		const name = pick(random, names);
		if (random.integer(8) === 0) delete members[name];
		else members[name] = (change(name) ?? pick(random, mutations))(members[name] as Uint8Array, random, seeds);
		return packed(members);
	};
}

/** A `reseal` that puts right what members say of each other. */
export function resealMembers(repair: (members: Members) => void): NonNullable<FuzzTarget["reseal"]> {
	return (bytes) => {
		const members = unpacked(bytes);
		if (members === undefined) return bytes;
		repair(members);
		return packed(members);
	};
}

function unpacked(bytes: Uint8Array): Members | undefined {
	try {
		return unzipSync(bytes, { filter: ({ originalSize }) => originalSize <= largest });
	} catch {
		return undefined;
	}
}

function packed(members: Members): Uint8Array {
	return zipSync(members, { level: 0, mtime: new Date("2000-01-01T12:00:00Z") });
}
