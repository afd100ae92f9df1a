import type { RolloutFacts, RolloutStore } from "@psgl/cloud";
import type { ExecutionContext } from "ava";

type Define = (title: string, run: (t: ExecutionContext) => Promise<void>) => void;

/** A place of roll-outs, and the next process that uses it. */
export interface RolloutPlace {
	readonly store: RolloutStore;
	next(): Promise<RolloutStore>;
	/** Spoils what is kept of the facts. */
	spoil(): Promise<void>;
	/** Takes the candidate away. */
	loseCandidate(artifact: string): Promise<void>;
}

const digest = (n: number) => `${n}`.padStart(64, "0");

export const factsOf = (id: string, percentage = 10): RolloutFacts => ({
	format: 1,
	id,
	phase: "running",
	stable: digest(0),
	candidate: digest(1),
	artifact: digest(2),
	percentage,
});

/** What every implementation of the `RolloutStore` port must do. `open` makes an empty one. */
export function rolloutStoreCompliance(
	test: Define,
	name: string,
	open: (t: ExecutionContext) => Promise<RolloutPlace>,
): void {
	test(`${name}: facts are compared and set, and are there for the next process`, async (t) => {
		const { store, next } = await open(t);
		t.is(await store.read(), undefined);
		const first = await store.replace(factsOf("a"), 0);
		t.true((first?.revision ?? 0) > 0);
		t.is(await store.replace(factsOf("b"), 0), undefined, "there are facts by now");
		const second = await store.replace(factsOf("a", 20), first?.revision ?? 0);
		t.not(second?.revision, first?.revision);
		t.is(await store.replace(factsOf("a", 30), first?.revision ?? 0), undefined, "others are there by now");
		t.deepEqual((await (await next()).read())?.facts, factsOf("a", 20));
	});

	test(`${name}: a candidate is given back, a longer one than a message too; one that is gone is missed`, async (t) => {
		const { store, next, loseCandidate } = await open(t);
		const bytes = Uint8Array.from({ length: 700_000 }, (_, i) => i % 251);
		await store.writeCandidate(digest(2), bytes);
		await store.replace(factsOf("a"), 0);
		const later = await next();
		await later.read();
		t.deepEqual(new Uint8Array(await later.readCandidate(digest(2))), bytes);
		await loseCandidate(digest(2));
		await t.throwsAsync(later.readCandidate(digest(2)), { code: "PSGL_ROLLOUT_READ" });
	});

	test(`${name}: devices are kept as they are last, of the roll-out of now alone`, async (t) => {
		const { store, next } = await open(t);
		const kept = await store.replace(factsOf("a"), 0);
		const devices = new Map<string, "offered" | "trial" | "confirmed" | "failed">();
		const writes: Promise<void>[] = [];
		for (const state of ["offered", "trial", "failed"] as const) {
			for (const device of ["x", "y_-1"]) devices.set(device, state);
			writes.push(store.writeDevices("a", () => devices));
		}
		devices.set("y_-1", "confirmed");
		writes.push(store.writeDevices("a", () => devices));
		await Promise.all(writes);
		const states = async (id: string) => {
			const later = await next();
			await later.read();
			return [...(await later.readDevices(id))].sort();
		};
		t.deepEqual(await states("a"), [
			["x", "failed"],
			["y_-1", "confirmed"],
		]);
		devices.delete("x");
		await store.writeDevices("a", () => devices);
		t.deepEqual(await states("a"), [["y_-1", "confirmed"]]);
		await store.replace(factsOf("b"), kept?.revision ?? 0);
		t.deepEqual(await states("b"), []);
		await store.writeDevices("b", () => new Map([["z", "offered" as const]]));
		t.deepEqual(await states("b"), [["z", "offered"]]);
		t.deepEqual(await states("a"), []);
	});

	test(`${name}: facts that are damaged are told`, async (t) => {
		const { store, spoil } = await open(t);
		await store.replace(factsOf("a"), 0);
		await spoil();
		await t.throwsAsync(store.read(), { code: "PSGL_ROLLOUT_DAMAGED" });
	});
}
