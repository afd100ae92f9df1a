import type { Leases } from "@psgl/cloud";
import { ConfigError } from "@psgl/sdk";
import type { ExecutionContext } from "ava";

type Define = (title: string, run: (t: ExecutionContext) => Promise<void>) => void;

/** What every implementation of the `Leases` port must do. `open` gives two parties that share one set of leases. */
export function leasesCompliance(
	test: Define,
	name: string,
	open: (t: ExecutionContext) => Promise<readonly [Leases, Leases]>,
): void {
	test(`${name}: one holder at a time, others are refused or stand by`, async (t) => {
		const [a, b] = await open(t);
		await using first = await a.acquire("partition-0");
		t.false(first.lost.aborted);
		const error = await t.throwsAsync(b.acquire("partition-0"), { instanceOf: ConfigError });
		t.is(error?.code, "PSGL_LEASE_HELD");
		const standingBy = b.acquire("partition-0", { wait: true });
		await first.release();
		await using second = await standingBy;
		t.true(second.epoch > first.epoch);
		t.is(second.name, "partition-0");
		await t.throwsAsync(a.acquire("partition-0"), { instanceOf: ConfigError });
	});

	test(`${name}: leases of different names do not touch one another`, async (t) => {
		const [a, b] = await open(t);
		await using _one = await a.acquire("one");
		await using two = await b.acquire("two");
		t.false(two.lost.aborted);
	});

	test(`${name}: releasing twice, or after another took it, frees nobody else's lease`, async (t) => {
		const [a, b] = await open(t);
		const first = await a.acquire("one");
		await first.release();
		await using _second = await b.acquire("one");
		await first.release();
		await t.throwsAsync(a.acquire("one"), { instanceOf: ConfigError });
	});

	test(`${name}: standing by ends with the signal`, async (t) => {
		const [a, b] = await open(t);
		await using _held = await a.acquire("one");
		const stop = new AbortController();
		const standingBy = b.acquire("one", { wait: true, signal: stop.signal });
		stop.abort(new Error("stopped"));
		await t.throwsAsync(standingBy, { message: "stopped" });
	});

	test(`${name}: closing gives back what is held`, async (t) => {
		const [a, b] = await open(t);
		await a.acquire("one");
		await a.acquire("two");
		await a.close();
		await using one = await b.acquire("one");
		await using two = await b.acquire("two");
		t.false(one.lost.aborted || two.lost.aborted);
	});
}
