import { openDeviceStore } from "@psgl/sdk/store";

/**
 * Writes to a store until it is killed: `fork(file, [folder, number of the first write])`. Write n sets `count` to n and
 * two of sixteen rows to n; its parent is told of n once the write is safe.
 */
process.on("disconnect", () => process.exit());
const [folder = "", first = "1"] = process.argv.slice(2);
const store = await openDeviceStore(folder);
process.send?.({ type: "open" });
for (let n = Number(first); ; n++) {
	const value = Uint8Array.from({ length: 3000 }, (_, i) => (n + i) & 255);
	await store.write([
		{ key: "count", value: new TextEncoder().encode(`${n}`) },
		{ key: `row ${n % 16}`, value },
		{ key: `row ${(n * 7) % 16}`, value },
	]);
	process.send?.({ type: "written", n });
}
