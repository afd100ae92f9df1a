import type { BlobStore } from "@psgl/cloud";
import { ConfigError } from "@psgl/sdk";
import type { ExecutionContext } from "ava";

type Define = (title: string, run: (t: ExecutionContext) => Promise<void>) => void;

const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

/** What every implementation of the `BlobStore` port must do. `open` makes an empty store. */
export function blobStoreCompliance(
	test: Define,
	name: string,
	open: (t: ExecutionContext) => Promise<BlobStore>,
): void {
	test(`${name}: gives back what was put, and replaces it`, async (t) => {
		await using store = await open(t);
		t.is(await store.get("weights/1"), undefined);
		for (const content of [bytes(100_000, 1), bytes(3, 2), bytes(0, 0)]) {
			const info = await store.put("weights/1", content);
			t.is(info.bytes, content.length);
			t.deepEqual(await store.get("weights/1"), content);
		}
	});

	test(`${name}: what was put does not change with the caller's bytes`, async (t) => {
		await using store = await open(t);
		const content = bytes(10, 1);
		await store.put("a", content);
		content.fill(9);
		t.deepEqual(await store.get("a"), bytes(10, 1));
		(await store.get("a"))?.fill(9);
		t.deepEqual(await store.get("a"), bytes(10, 1));
	});

	test(`${name}: lists by the start of names, the one written last first`, async (t) => {
		await using store = await open(t);
		for (const each of ["p0/a", "p0/b", "p1/a", "p0/c", "p0/a"]) await store.put(each, bytes(4, 1), { epoch: 3 });
		const listed = await store.list("p0/");
		t.deepEqual(
			listed.map(({ name, bytes, epoch }) => [name, bytes, epoch]),
			["p0/a", "p0/c", "p0/b"].map((each) => [each, 4, 3]),
		);
		t.true(listed.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256)));
	});

	test(`${name}: an owner before the one that wrote or fenced a blob can neither write nor remove it`, async (t) => {
		await using store = await open(t);
		await store.put("checkpoint", bytes(4, 1), { epoch: 1 });
		await store.put("checkpoint", bytes(4, 2), { epoch: 2 });
		const fenced = async (late: Promise<unknown>) => {
			const error = await t.throwsAsync(late, { instanceOf: ConfigError });
			t.is(error?.code, "PSGL_BLOB_FENCED");
		};
		await fenced(store.put("checkpoint", bytes(4, 1), { epoch: 1 }));
		await store.fence("checkpoint", 5);
		await store.fence("not-there-yet", 5);
		await fenced(store.put("checkpoint", bytes(4, 3), { epoch: 4 }));
		await fenced(store.put("not-there-yet", bytes(4, 3), { epoch: 4 }));
		await fenced(store.remove("checkpoint", { epoch: 4 }));
		await fenced(store.fence("checkpoint", 4));
		t.deepEqual(await store.get("checkpoint"), bytes(4, 2));
		t.is(await store.get("not-there-yet"), undefined);
		t.deepEqual(
			(await store.list("")).map((each) => each.name),
			["checkpoint"],
		);
		await store.put("not-there-yet", bytes(4, 5), { epoch: 5 });
		t.deepEqual(await store.get("not-there-yet"), bytes(4, 5));
	});

	test(`${name}: what is removed is gone, its fence stays`, async (t) => {
		await using store = await open(t);
		await store.remove("never");
		await store.put("a", bytes(4, 1), { epoch: 2 });
		await store.remove("a", { epoch: 2 });
		t.is(await store.get("a"), undefined);
		t.deepEqual(await store.list(""), []);
		await t.throwsAsync(store.put("a", bytes(4, 1), { epoch: 1 }), { instanceOf: ConfigError });
		await store.put("a", bytes(4, 3), { epoch: 2 });
		t.deepEqual(await store.get("a"), bytes(4, 3));
	});

	test(`${name}: of two that write at a time, one is there whole`, async (t) => {
		await using store = await open(t);
		await Promise.all([1, 2, 3].map((value) => store.put("a", bytes(50_000, value), { epoch: 1 })));
		const got = (await store.get("a")) as Uint8Array;
		t.is(got.length, 50_000);
		t.is(new Set(got).size, 1);
	});

	test(`${name}: names that not every store can keep are refused`, async (t) => {
		await using store = await open(t);
		for (const bad of ["", "/a", "a/", "a//b", "../a", "a.b", "a b", "ä", "a".repeat(129)]) {
			const error = await t.throwsAsync(store.put(bad, bytes(1, 1)), { instanceOf: ConfigError }, bad);
			t.is(error?.code, "PSGL_BLOB_NAME");
			await t.throwsAsync(store.get(bad), { instanceOf: ConfigError }, bad);
		}
	});
}
