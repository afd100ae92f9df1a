import type { DeviceStore } from "@psgl/sdk";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";

/** A store whose power fails before write number `writes` + 1: that write and all later ones never happen nor end. */
export function failingStore(records: MemoryRecords, writes: number) {
	const store = memoryDeviceStore(records);
	let left = writes;
	let failed = () => {};
	const failure = new Promise<"failed">((resolve) => {
		failed = () => resolve("failed");
	});
	const write: DeviceStore["write"] = async (changes) => {
		if (left-- > 0) return store.write(changes);
		failed();
		return new Promise<never>(() => {});
	};
	const failing: DeviceStore = {
		get: (key) => store.get(key),
		keys: (prefix) => store.keys(prefix),
		write,
		close: () => store.close(),
		[Symbol.asyncDispose]: () => store.close(),
	};
	return { store: failing, failure };
}
