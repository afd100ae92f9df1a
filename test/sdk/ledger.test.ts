import { ConfigError, DataError, type DeviceStore, seededRandom, type Tensor } from "@psgl/sdk";
import {
	type Disclosure,
	DisclosureLedger,
	disclosuresOf,
	ledgerLimits,
	recordDigests,
	smashedBits,
} from "@psgl/sdk/ledger";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { decode, encode } from "cborg";
import fc from "fast-check";

const device = "ward-3";
const label = { key: "1 of 2", bits: 1 };
const coding = { segment: "s1", artifact: "a1" };
const once = { release: "once", budgetBits: 9 } as const;

const open = (records: MemoryRecords = new Map(), pastReleases = false) =>
	DisclosureLedger.open({ device, store: memoryDeviceStore(records), pastReleases });

const eightBits = (digest: string, changes: Partial<Disclosure> = {}): Disclosure => ({
	digest,
	bits: 8,
	epsilon: 0,
	label,
	...changes,
});

/** Codes what may be coded, with `value`, and writes it; the codes that leave. */
async function release(ledger: DisclosureLedger, disclosures: readonly Disclosure[], by = coding, value = 1) {
	using permit = await ledger.admit(disclosures, { coding: by });
	for (const position of permit.uncoded) permit.keep(position, Uint8Array.of(value));
	const codes = permit.admitted.map((position) => permit.code(position)[0]);
	await permit.write();
	return { codes, leftOut: permit.leftOut };
}

test("a code costs its bits and the label's once; sent again as it is stored it costs nothing", async (t) => {
	const ledger = await open();
	await ledger.accept(once);
	t.deepEqual(await release(ledger, [eightBits("a")]), { codes: [1], leftOut: {} });
	t.is((await ledger.record("a")).bits, 9);
	t.deepEqual((await release(ledger, [eightBits("a")], coding, 2)).codes, [1], "the stored one, not another");
	t.deepEqual((await release(ledger, [eightBits("a", { label: undefined })], coding, 3)).codes, [1]);
	t.like(ledger.totals, { records: 1, releases: 1, bits: 9, mostBits: 9, budgetBits: 9, leftOut: 0 });
});

test("once: another segment of the artifact gets the code there is, another artifact gets nothing", async (t) => {
	const ledger = await open();
	await ledger.accept({ release: "once", budgetBits: null });
	await release(ledger, [eightBits("a")]);
	t.deepEqual((await release(ledger, [eightBits("a")], { segment: "s2", artifact: "a1" }, 2)).codes, [1]);
	const other = await release(ledger, [eightBits("a"), eightBits("b")], { segment: "s3", artifact: "a2" }, 3);
	t.deepEqual(other, { codes: [3], leftOut: { coded: 1 } });
	using floats = await ledger.admit([eightBits("a", { bits: 25_088 })]);
	t.deepEqual(floats.leftOut, { coded: 1 });
});

test("refresh N codes a record at most N times", async (t) => {
	const ledger = await open();
	await ledger.accept({ release: "refresh", refreshes: 2, budgetBits: null });
	const codes: unknown[] = [];
	for (let i = 1; i <= 4; i++) {
		codes.push((await release(ledger, [eightBits("a")], { segment: `s${i}`, artifact: "a1" }, i)).codes[0]);
	}
	t.deepEqual(codes, [1, 2, 2, 2]);
	t.like(await ledger.record("a"), { bits: 17, codings: 2 });
});

test("another label of a record costs again, and so does one among more classes", async (t) => {
	const ledger = await open();
	await release(ledger, [eightBits("a")]);
	await release(ledger, [eightBits("a", { label: { key: "0 of 2", bits: 1 } })]);
	await release(ledger, [eightBits("a", { label: { key: "0 of 4", bits: 2 } })]);
	t.is((await ledger.record("a")).bits, 8 + 1 + 1 + 2);
});

test("a record that is in a batch twice is counted twice, and left out the second time where the budget ends", async (t) => {
	const ledger = await open();
	await ledger.accept({ release: "every-epoch", budgetBits: 9 });
	using permit = await ledger.admit([eightBits("a"), eightBits("a"), eightBits("b")]);
	t.deepEqual(permit.admitted, [0, 2]);
	t.deepEqual(permit.leftOut, { budget: 1 });
	await permit.write();
	t.is((await ledger.record("a")).bits, 9);
});

test("whole: when one record is left out nothing is counted", async (t) => {
	const ledger = await open();
	await ledger.accept({ release: "every-epoch", budgetBits: 9 });
	const first = await ledger.admit([eightBits("a")]);
	await first.write();
	using permit = await ledger.admit([eightBits("b"), eightBits("a")], { whole: true });
	t.deepEqual(permit.admitted, []);
	t.is((await ledger.record("b")).bits, 0);
});

test("terms only ever get stricter, over restarts and whatever artifact comes", async (t) => {
	const records: MemoryRecords = new Map();
	await (await open(records)).accept({ release: "every-epoch", budgetBits: 20 });
	await (await open(records)).accept({ release: "once", budgetBits: 9 });
	const ledger = await open(records);
	await ledger.accept({ release: "every-epoch", budgetBits: null });
	t.is(ledger.totals.budgetBits, 9);
	using permit = await ledger.admit([eightBits("new", { bits: 64 })]);
	t.deepEqual(permit.leftOut, { budget: 1 });
});

test("randomised releases add up their epsilons", async (t) => {
	const ledger = await open();
	for (let i = 0; i < 3; i++)
		await release(ledger, [eightBits("a", { epsilon: 2 })], { segment: `${i}`, artifact: "a1" });
	t.is((await ledger.record("a")).epsilon, 6);
	t.is(ledger.totals.mostEpsilon, 6);
	t.is(ledger.totals.mostBits, 25);
});

test("a release is in the store before it may leave, with what goes along, in one write", async (t) => {
	const records: MemoryRecords = new Map();
	const writes: string[][] = [];
	const store = memoryDeviceStore(records);
	const watched: DeviceStore = {
		get: (key) => store.get(key),
		keys: (prefix) => store.keys(prefix),
		write: async (changes) => {
			writes.push(changes.map(({ key }) => key));
			await store.write(changes);
		},
		close: () => store.close(),
		[Symbol.asyncDispose]: () => store.close(),
	};
	const ledger = await DisclosureLedger.open({ device, store: watched, pastReleases: false });
	using permit = await ledger.admit([eightBits("a")]);
	t.deepEqual(writes, []);
	await permit.write([{ key: "outbox/0", value: Uint8Array.of(1) }]);
	t.deepEqual(writes, [["outbox/0", "ledger/record/a", "ledger/header"]]);
	t.is((await (await open(records)).record("a")).bits, 9);
});

test("releases side by side never lose a count, whichever is written first, and a failed write counts nothing less", async (t) => {
	await fc.assert(
		fc.asyncProperty(
			fc.array(
				fc.record({
					names: fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 }),
					fails: fc.boolean(),
				}),
			),
			fc.scheduler(),
			async (releases, scheduler) => {
				const records: MemoryRecords = new Map();
				const store = memoryDeviceStore(records);
				const sent = new Map<string, number>();
				// The terms are written first.
				const fates = [false, ...releases.map(({ fails }) => fails)];
				const slow: DeviceStore = {
					get: (key) => scheduler.schedule(store.get(key)),
					keys: (prefix) => store.keys(prefix),
					write: async (changes) => {
						if (fates.shift()) throw new DataError("PSGL_STORE_WRITE", { what: "full" });
						await scheduler.schedule(Promise.resolve());
						await store.write(changes);
					},
					close: () => store.close(),
					[Symbol.asyncDispose]: () => store.close(),
				};
				const run = async () => {
					const ledger = await DisclosureLedger.open({ device, store: slow, pastReleases: false });
					await ledger.accept({ release: "every-epoch", budgetBits: 30 });
					const running = releases.map(async ({ names }) => {
						using permit = await ledger.admit(names.map((name) => eightBits(name, { label: undefined })));
						try {
							await permit.write();
						} catch {
							return;
						}
						for (const i of permit.admitted) sent.set(names[i] as string, (sent.get(names[i] as string) ?? 0) + 8);
					});
					await Promise.all(running);
				};
				await scheduler.waitFor(run());
				const reopened = await open(records);
				for (const [name, bits] of sent) {
					t.true((await reopened.record(name)).bits >= bits, `${name}: ${bits} sent`);
					t.true(bits <= 30);
				}
			},
		),
		{ numRuns: 60 },
	);
});

test("a ledger of another device, one that is damaged and one that lacks records are refused", async (t) => {
	const records: MemoryRecords = new Map();
	await release(await open(records), [eightBits("a"), eightBits("b")]);
	const other = DisclosureLedger.open({ device: "ward-4", store: memoryDeviceStore(records), pastReleases: false });
	t.is((await t.throwsAsync(other, { instanceOf: ConfigError }))?.code, "PSGL_LEDGER_DEVICE");
	const lacking = new Map(records);
	lacking.delete("ledger/record/a");
	t.regex(
		(await t.throwsAsync(open(lacking), { code: "PSGL_LEDGER_DAMAGED" }))?.message ?? "",
		/Put back the latest copy/,
	);
	const headless = new Map(records);
	headless.delete("ledger/header");
	await t.throwsAsync(open(headless), { code: "PSGL_LEDGER_DAMAGED" });
	for (const bytes of [Uint8Array.of(0xff), new TextEncoder().encode("{}")]) {
		await t.throwsAsync(open(new Map([...records, ["ledger/header", bytes]])), { code: "PSGL_LEDGER_DAMAGED" });
		const ledger = await open(new Map([...records, ["ledger/record/b", bytes]]));
		await t.throwsAsync(ledger.admit([eightBits("a"), eightBits("b")], { coding }), { code: "PSGL_LEDGER_DAMAGED" });
		t.deepEqual(
			(await release(ledger, [eightBits("a")])).codes,
			[1],
			"the next release does not wait for the failed one",
		);
	}
});

test("a ledger that does not know of everything keeps to no budget", async (t) => {
	const late = await open(new Map(), true);
	await t.notThrowsAsync(late.accept({ release: "every-epoch", budgetBits: null }));
	await t.throwsAsync(late.accept(once), { instanceOf: DataError, code: "PSGL_LEDGER_OLD" });
	const old = await open();
	await release(old, [eightBits("a")]);
	await old.accept(once);
	await t.notThrowsAsync(old.requireLatest(1));
	await t.notThrowsAsync(old.requireLatest(undefined));
	await t.throwsAsync(old.requireLatest(2), { code: "PSGL_LEDGER_OLD" });
	const free = await open();
	await t.notThrowsAsync(free.requireLatest(5));
	t.is(free.totals.releases, 5);
	await t.throwsAsync(free.accept(once), { code: "PSGL_LEDGER_OLD" });
	const volatile = await DisclosureLedger.open({ device, store: undefined, pastReleases: false });
	await t.throwsAsync(volatile.accept(once), { instanceOf: ConfigError, code: "PSGL_LEDGER_VOLATILE" });
	t.deepEqual((await release(volatile, [eightBits("a")])).codes, [1], "without a budget it counts all the same");
});

test("without a store counts last as long as the ledger", async (t) => {
	const ledger = await DisclosureLedger.open({ device, store: undefined, endsWithProcess: true, pastReleases: false });
	await ledger.accept(once);
	t.deepEqual(await release(ledger, [eightBits("a"), eightBits("b")]), { codes: [1, 1], leftOut: {} });
	t.is((await ledger.record("c")).bits, 0);
	t.deepEqual(await release(ledger, [eightBits("a"), eightBits("c")], coding, 2), { codes: [1, 2], leftOut: {} });
	const other = await release(ledger, [eightBits("b")], { segment: "s2", artifact: "a2" }, 3);
	t.deepEqual(other, { codes: [], leftOut: { coded: 1 } });
	t.is((await ledger.record("b")).bits, 9);
	t.like(ledger.totals, { records: 3, releases: 3, bits: 27, leftOut: 1 });
});

test("records beyond what the ledger can count are left out under a budget; without one they go, and no budget is kept afterwards", async (t) => {
	const { maxLedgerRecords: most } = ledgerLimits;
	const records: MemoryRecords = new Map();
	await release(await open(records), [eightBits("a")]);
	const header = decode(records.get("ledger/header") as Uint8Array);
	records.set("ledger/header", encode({ ...header, records: most }));
	for (let i = 1; i < most; i++) records.set(`ledger/record/${i}`, Uint8Array.of(0));
	const ledger = await open(records);
	const first = await ledger.admit([eightBits("new"), eightBits("a")]);
	t.deepEqual(first.admitted, [0, 1]);
	await first.write();
	t.is((await ledger.record("new")).bits, 0);
	t.is(ledger.totals.records, most);
	t.is(ledger.totals.releases, 3);
	await t.throwsAsync((await open(records)).accept(once), { code: "PSGL_LEDGER_OLD" });
	records.set("ledger/header", encode({ ...header, records: most, budgetBits: 30 }));
	using second = await (await open(records)).admit([eightBits("new"), eightBits("a")]);
	t.deepEqual(second.leftOut, { full: 1 });
});

test("a record is known by what is in it", async (t) => {
	const random = seededRandom(4);
	const x: Tensor<"float32"> = {
		dtype: "float32",
		dims: [3, 1, 2, 2],
		data: Float32Array.from({ length: 12 }, () => random.uniform()),
	};
	const [a, b, c] = await recordDigests(x);
	t.is(new Set([a, b, c]).size, 3);
	const turned = {
		...x,
		data: Float32Array.of(...x.data.subarray(8), ...x.data.subarray(4, 8), ...x.data.subarray(0, 4)),
	};
	t.deepEqual(await recordDigests(turned), [c, b, a]);
	t.notDeepEqual(await recordDigests({ ...x, dims: [3, 4] }), [a, b, c], "other shapes are other records");
	const zero = (value: number): Tensor<"float32"> => ({ dtype: "float32", dims: [1, 1], data: Float32Array.of(value) });
	t.deepEqual(await recordDigests(zero(-0)), await recordDigests(zero(0)));
});

test("what a record's smashed data can disclose is their width on the wire, scales included", (t) => {
	const floats = { code: null, smashedShape: [32, 7, 7] };
	t.is(smashedBits(floats, "float32"), 50_176);
	t.is(smashedBits(floats, "float16"), 25_088 + 32);
	t.is(smashedBits(floats, "int8"), 12_544 + 32 * 32);
	t.is(smashedBits({ code: { numbers: 4, bits: 2 }, smashedShape: [4] }, "float16"), 8);
});

test("a label is log2 K bits, any number of K labels K", (t) => {
	const manifest = {
		code: { numbers: 4, bits: 2 },
		smashedShape: [4],
		classes: ["a", "b", "c", "d", "e"],
		disclosure: { release: "once", budgetBits: null, randomisedResponse: { epsilon: 3 } },
		loss: { kind: "cross-entropy", labelSmoothing: 0 },
	} as unknown as Parameters<typeof disclosuresOf>[0];
	const y = (dims: number[], ...values: bigint[]): Tensor<"int64"> => ({
		dtype: "int64",
		dims,
		data: BigInt64Array.from(values),
	});
	const [first, second] = disclosuresOf(manifest, "float32", ["x", "y"], y([2], 3n, 0n));
	t.deepEqual(first, { digest: "x", bits: 8, epsilon: 3, label: { key: "3 of 5", bits: Math.log2(5) } });
	t.is(second?.label?.key, "0 of 5");
	const several = { ...manifest, loss: { kind: "binary-cross-entropy" as const } };
	const marks = disclosuresOf(several, "float32", ["x"], y([1, 5], 0n, 1n, 1n, 0n, 0n));
	t.deepEqual(marks[0]?.label, { key: "01100 of 5", bits: 5 });
});
