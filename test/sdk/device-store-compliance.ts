import type { DeviceStore } from "@psgl/sdk";
import { type ExecutionContext, type Implementation, default as test } from "ava";

/** A place where a store's records lie, for one test. */
export interface StorePlace {
	/** Opens the store there; close the one before first. */
	open(): Promise<DeviceStore>;
}

const bytes = (...values: number[]) => Uint8Array.from(values);

/** `test`, or one that first looks whether it can run. */
type Define = (title: string, run: Implementation<[]>) => void;

/** What every device store does. */
export function deviceStoreCompliance(
	name: string,
	place: (t: ExecutionContext) => Promise<StorePlace>,
	define: Define = test,
): void {
	const check = (title: string, body: (t: ExecutionContext, place: StorePlace) => Promise<void>) => {
		define(`${name}: ${title}`, async (t) => body(t, await place(t)));
	};

	check("keeps records over closing and opening", async (t, at) => {
		const before = await at.open();
		await before.write([
			{ key: "a", value: bytes(1, 2) },
			{ key: "b", value: bytes() },
		]);
		await before.write([{ key: "a", value: bytes(3) }]);
		await before.close();
		await using after = await at.open();
		t.deepEqual(await after.get("a"), bytes(3));
		t.deepEqual(await after.get("b"), bytes());
		t.is(await after.get("c"), undefined);
	});

	check("a write changes, adds and removes together", async (t, at) => {
		await using store = await at.open();
		await store.write(["a", "b", "c"].map((key, i) => ({ key, value: bytes(i) })));
		await store.write([
			{ key: "a", value: undefined },
			{ key: "b", value: bytes(9) },
			{ key: "d", value: bytes(4) },
			{ key: "never there", value: undefined },
		]);
		t.deepEqual(await store.keys(""), ["b", "c", "d"]);
		t.is(await store.get("a"), undefined);
		t.deepEqual(await store.get("b"), bytes(9));
	});

	check("lists the names with a prefix in order", async (t, at) => {
		await using store = await at.open();
		await store.write(["x/2", "y/1", "x/10", "x/1", "x"].map((key) => ({ key, value: bytes(1) })));
		t.deepEqual(await store.keys("x/"), ["x/1", "x/10", "x/2"]);
		t.deepEqual(await store.keys("z"), []);
	});

	check("writes take effect in the order of the calls", async (t, at) => {
		const store = await at.open();
		await Promise.all(Array.from({ length: 20 }, (_, i) => store.write([{ key: "a", value: bytes(i) }])));
		await store.close();
		await using again = await at.open();
		t.deepEqual(await again.get("a"), bytes(19));
	});

	check("what was read may be changed without changing the store", async (t, at) => {
		await using store = await at.open();
		await store.write([{ key: "a", value: bytes(1) }]);
		(await store.get("a"))?.fill(7);
		t.deepEqual(await store.get("a"), bytes(1));
	});

	check("a record of several megabytes", async (t, at) => {
		const before = await at.open();
		const value = Uint8Array.from({ length: 5_000_000 }, (_, i) => (i * 7) & 255);
		await before.write([{ key: "a", value }]);
		await before.close();
		await using after = await at.open();
		t.true(Buffer.from(value).equals((await after.get("a")) as Uint8Array));
	});

	check("a closed store refuses everything, and may be closed again", async (t, at) => {
		const store = await at.open();
		await store.close();
		await store.close();
		await t.throwsAsync(store.get("a"), { code: "PSGL_STORE_CLOSED" });
		await t.throwsAsync(store.keys(""), { code: "PSGL_STORE_CLOSED" });
		await t.throwsAsync(store.write([]), { code: "PSGL_STORE_CLOSED" });
	});
}
