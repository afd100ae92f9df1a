import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError, LimitError, PsglError } from "@psgl/sdk";
import { defaultMaxExpandedBytes, readNpz } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { sharedPath, withShared } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { npyBytes, npyText, npzBytes, zipBytes } from "../helpers/write-npz.js";

const numbers = npyBytes("<f4", [1000], new Float32Array(1000).fill(0.25));

const refuses = async (t: ExecutionContext, code: string, archive: Uint8Array) => {
	await t.throwsAsync(readNpz(archive), { instanceOf: DataError, code });
};

test("every array is returned under its name", async (t) => {
	const seen: string[] = [];
	const archive = npzBytes({ x: npyBytes("<i4", [2], Int32Array.of(5, -6)), attr_json: npyText('{"axis": 1}') });
	const arrays = await readNpz(archive, { onArray: (done, total) => seen.push(`${done}/${total}`) });
	t.deepEqual([...arrays.keys()], ["x", "attr_json"]);
	t.deepEqual(arrays.get("x"), { dtype: "int32", dims: [2], data: Int32Array.of(5, -6) });
	t.is(arrays.get("attr_json"), '{"axis": 1}');
	t.deepEqual(seen, ["1/2", "2/2"]);
});

test("a path is read like bytes", async (t) => {
	const path = join(await temporaryFolder(t), "a.npz");
	await writeFile(path, npzBytes({ x: numbers }));
	t.like((await readNpz(path)).get("x"), { dtype: "float32", dims: [1000] });
});

withShared("an archive written by NumPy is read", async (t) => {
	const arrays = await readNpz(sharedPath("vectors", "op_pad_constant.npz"));
	t.is(arrays.get("attr_json"), '{"pads_torch": [1, 2, 0, 3], "value": 0.5}');
	t.like(arrays.get("out"), { dtype: "float32" });
});

test("a missing file and a folder are told apart", async (t) => {
	const folder = await temporaryFolder(t);
	await t.throwsAsync(readNpz(join(folder, "none.npz")), { instanceOf: DataError, code: "PSGL_DATA_NOT_FOUND" });
	await t.throwsAsync(readNpz(folder), { instanceOf: DataError, code: "PSGL_DATA_UNREADABLE" });
});

test("an archive cut off anywhere is refused", async (t) => {
	const archive = npzBytes({ x: numbers });
	for (const length of [0, 10, 21, archive.length >> 1, archive.length - 1]) {
		await refuses(t, "PSGL_NPZ_CORRUPT", archive.subarray(0, length));
	}
});

test("a damaged stream, a wrong length and a wrong checksum are refused", async (t) => {
	const damaged = Buffer.from(npzBytes({ x: numbers }));
	damaged.fill(0xff, 35, 60);
	await refuses(t, "PSGL_NPZ_CORRUPT", damaged);
	await refuses(t, "PSGL_NPZ_CORRUPT", zipBytes([{ name: "x.npy", bytes: numbers, declaredSize: numbers.length + 1 }]));
	await refuses(t, "PSGL_NPZ_CHECKSUM", zipBytes([{ name: "x.npy", bytes: numbers, declaredCrc: 1 }]));
});

test("two arrays of one name are refused", async (t) => {
	const entry = { name: "x.npy", bytes: numbers };
	await refuses(t, "PSGL_NPZ_CORRUPT", zipBytes([entry, entry]));
});

test("an archive that declares more than the limit is refused before anything is inflated", async (t) => {
	// Nothing in it could be inflated, so the refusal comes from the directory.
	const entries = [1, 2].map((i) => ({
		name: `x${i}.npy`,
		bytes: numbers,
		declaredSize: defaultMaxExpandedBytes / 2 + 1,
	}));
	const error = await t.throwsAsync(readNpz(zipBytes(entries)), { instanceOf: LimitError, code: "PSGL_NPZ_EXPANDS" });
	t.regex(error.message, /at most 1073741824 bytes/);
	t.is(error.exitCode, 9);
});

test("the limit can be set", async (t) => {
	const archive = npzBytes({ x: numbers });
	await t.notThrowsAsync(readNpz(archive, { maxExpandedBytes: numbers.length }));
	await t.throwsAsync(readNpz(archive, { maxExpandedBytes: numbers.length - 1 }), { code: "PSGL_NPZ_EXPANDS" });
});

test("an entry that gives more than it declares is stopped while it is inflated", async (t) => {
	const bomb = zipBytes([{ name: "x.npy", bytes: new Uint8Array(8 * 2 ** 20), declaredSize: 1000 }]);
	const error = await t.throwsAsync(readNpz(bomb), { instanceOf: LimitError, code: "PSGL_NPZ_EXPANDS" });
	t.regex(error.message, /past its declared size/);
});

test("an aborted signal ends the reading with its reason", async (t) => {
	const reason = new Error("enough");
	await t.throwsAsync(readNpz(npzBytes({ x: numbers }), { signal: AbortSignal.abort(reason) }), { is: reason });
	const controller = new AbortController();
	const archive = npzBytes({ x: numbers, y: numbers });
	const reading = readNpz(archive, { signal: controller.signal, onArray: () => controller.abort(reason) });
	await t.throwsAsync(reading, { is: reason });
});

test("an archive with any byte changed is read or refused, never anything else", async (t) => {
	const archive = npzBytes({ x: npyBytes("<f4", [2], Float32Array.of(1, 2)), note: npyText("a") });
	await fc.assert(
		fc.asyncProperty(fc.nat(archive.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
			const changed = Buffer.from(archive);
			changed[at] = (changed[at] as number) ^ flip;
			try {
				const arrays = await readNpz(changed);
				const x = arrays.get("x");
				t.true(x === undefined || (typeof x === "object" && "data" in x && x.data[1] === 2));
			} catch (error) {
				t.true(error instanceof PsglError, String(error));
			}
		}),
		{ seed: 1, numRuns: 400 },
	);
});
