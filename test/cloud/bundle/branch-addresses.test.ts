import { readFile } from "node:fs/promises";
import { seededRandom } from "@psgl/sdk";
import test from "ava";

const module = new URL("../../../../cloud/dist/bundle/branch-addresses.js", import.meta.url);
const { restoreBranches, turnBranches } = (await import(module.href)) as {
	readonly restoreBranches: (bytes: Uint8Array) => Uint8Array;
	readonly turnBranches: (bytes: Uint8Array) => Uint8Array;
};

test("two branches to one place become the same bytes", (t) => {
	const code = new Uint8Array(64);
	const view = new DataView(code.buffer);
	for (const at of [3, 40]) {
		code[at] = 0xe8;
		view.setInt32(at + 1, 20 - at, true);
	}
	const turned = turnBranches(code);
	t.deepEqual([...turned.subarray(4, 8)], [0, 0, 0, 20]);
	t.deepEqual(turned.subarray(41, 45), turned.subarray(4, 8));
	t.deepEqual(restoreBranches(turned), code);
});

test("whatever the bytes, they come back", async (t) => {
	const random = seededRandom(7);
	for (let size = 0; size < 300; size++) {
		// Mostly branches with operands near and beyond the code's ends.
		const bytes = Uint8Array.from({ length: size }, () => [0xe8, 0xe9, 0xff, 0, 1, size & 255][random.integer(6)] ?? 0);
		t.deepEqual(restoreBranches(turnBranches(bytes)), bytes);
	}
	const program = await readFile(process.execPath);
	const part = program.subarray(0, 4_000_000);
	t.false(turnBranches(part).every((byte, i) => byte === part[i]));
	t.true(part.equals(restoreBranches(turnBranches(part))));
});
