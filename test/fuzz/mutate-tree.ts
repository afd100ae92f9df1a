import type { Random } from "@psgl/sdk";
import { edges, pick } from "./mutations.js";

type Tree = unknown;

const strange: readonly Tree[] = [
	...edges,
	-1,
	0.5,
	-0,
	1e300,
	Number.MAX_SAFE_INTEGER,
	-(2 ** 31),
	null,
	true,
	false,
	"",
	"\u0000",
	"__proto__",
	"constructor",
	"a".repeat(600),
	"\ud800",
	"../../etc/passwd",
	[],
	{},
	[[[[]]]],
];

/**
 * A tree of arrays, maps and leaves, as JSON and CBOR have them, with one place changed: another value, or an entry
 * left out, doubled or renamed. The input stays as it is.
 */
export function mutateTree(tree: Tree, random: Random): Tree {
	if (typeof tree !== "object" || tree === null || tree instanceof Uint8Array) return otherLeaf(tree, random);
	const isArray = Array.isArray(tree);
	const entries: [string, Tree][] = Object.entries(tree);
	const at = random.integer(entries.length + 1);
	const entry = entries[at];
	if (entry === undefined) entries.push(entries[0] ?? ["more", pick(random, strange)]);
	else {
		const [key, value] = entry;
		// Most changes go down, so that each leaf has its turn.
		const action = random.integer(8);
		if (action === 0) entries.splice(at, 1);
		else if (action === 1) entries.splice(at, 0, [pick(random, [key, `${key}x`, "__proto__", ""]), value]);
		else if (action === 2) entries[at] = [key, pick(random, strange)];
		else entries[at] = [key, mutateTree(value, random)];
	}
	return isArray ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

function otherLeaf(leaf: Tree, random: Random): Tree {
	if (typeof leaf === "number" && random.integer(2) === 0)
		return leaf + pick(random, [-1, 1, 0.5, -leaf, leaf, 2 ** 32]);
	if (typeof leaf === "string" && random.integer(2) === 0) {
		const at = random.integer(leaf.length + 1);
		return (
			leaf.slice(0, at) + pick(random, ["", "x", "\u0000", "/", "\ufffd", leaf]) + leaf.slice(at + random.integer(2))
		);
	}
	return pick(random, strange);
}

/** JSON with one place of its tree changed; what is no JSON any more stays as it is. */
export function mutateText(bytes: Uint8Array, random: Random): Uint8Array {
	try {
		return Buffer.from(JSON.stringify(mutateTree(JSON.parse(Buffer.from(bytes).toString()), random)));
	} catch {
		return bytes;
	}
}
