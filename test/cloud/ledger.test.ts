import { BatchAudit, Ledger } from "@psgl/cloud";
import test from "ava";
import fc from "fast-check";

const batch = (seq: number, device = "a", epoch = 1) => ({ device, epoch, seq });

test("a batch is new once, then waiting, then answered", (t) => {
	const ledger = new Ledger();
	ledger.open("a", 1);
	t.is(ledger.offer(batch(0)), "new");
	t.is(ledger.offer(batch(0)), "waiting");
	ledger.answer(batch(0), "applied");
	t.is(ledger.offer(batch(0)), "answered");
	t.deepEqual(ledger.counts, { received: 1, applied: 1, refused: 0, duplicates: 2 });
});

test("batches come in order", (t) => {
	const ledger = new Ledger();
	ledger.open("a", 1);
	t.is(ledger.offer(batch(1)), "ahead");
	t.is(ledger.offer(batch(0)), "new");
	t.is(ledger.offer(batch(1)), "ahead");
	ledger.answer(batch(0), "refused");
	t.is(ledger.offer(batch(1)), "new");
	t.is(ledger.counts.refused, 1);
});

test("with a window batches may come in any order within it, and take effect in their own", (t) => {
	const ledger = new Ledger();
	ledger.open("a", 1, 3);
	t.is(ledger.offer(batch(3)), "ahead");
	t.is(ledger.offer(batch(2)), "new");
	t.is(ledger.offer(batch(2)), "waiting");
	ledger.answer(batch(2), "applied");
	t.is(ledger.counts.applied, 0, "it is not its turn");
	t.is(ledger.offer(batch(1)), "new");
	ledger.answer(batch(1), "refused");
	t.is(ledger.next("a"), 0);
	t.is(ledger.offer(batch(1)), "answered");
	t.is(ledger.offer(batch(0)), "new");
	ledger.answer(batch(0), "applied");
	t.is(ledger.next("a"), 2);
	ledger.answer(batch(2), "applied");
	t.is(ledger.next("a"), 3);
	t.deepEqual(ledger.counts, { received: 3, applied: 2, refused: 1, duplicates: 2 });
});

test("other epochs and devices that take no part are closed", (t) => {
	const ledger = new Ledger();
	ledger.open("a", 2);
	t.is(ledger.offer(batch(0, "a", 1)), "closed");
	t.is(ledger.offer(batch(0, "b", 2)), "closed");
	ledger.close("a");
	t.is(ledger.offer(batch(0, "a", 2)), "closed");
});

test("looking takes nothing", (t) => {
	const ledger = new Ledger();
	ledger.open("a", 1);
	t.is(ledger.look(batch(0)), "new");
	t.is(ledger.look(batch(0)), "new");
	t.is(ledger.counts.received, 0);
});

/** What a hostile link makes of the batches of two devices: any of them, any number of times, in any order. */
const deliveries = fc.array(
	fc.record({
		device: fc.constantFrom("a", "b"),
		epoch: fc.constantFrom(1, 2),
		seq: fc.integer({ min: 0, max: 5 }),
		/** Whether the batch that waits is answered after this delivery. */
		answer: fc.constantFrom("applied", "refused", "later"),
	}),
	{ maxLength: 200 },
);

test("however batches are repeated, reordered and replayed, each takes effect at most once, and the audit agrees", (t) => {
	fc.assert(
		fc.property(deliveries, (sent) => {
			const ledger = new Ledger();
			const audit = new BatchAudit();
			const effects = new Map<string, number>();
			const waiting = new Map<string, { device: string; epoch: number; seq: number }>();
			const settle = (identity: { device: string; epoch: number; seq: number }, outcome: "applied" | "refused") => {
				const key = JSON.stringify([identity.device, identity.epoch, identity.seq]);
				if (outcome === "applied") {
					effects.set(key, (effects.get(key) ?? 0) + 1);
					audit.applied(identity);
				} else audit.refused(identity);
				ledger.answer(identity, outcome);
				waiting.delete(identity.device);
			};
			for (const epoch of [1, 2]) {
				for (const device of ["a", "b"]) ledger.open(device, epoch);
				for (const { answer, ...identity } of sent) {
					const before = ledger.counts;
					const verdict = ledger.offer(identity);
					if (verdict === "new") {
						audit.received(identity);
						if (waiting.has(identity.device)) return false;
						waiting.set(identity.device, identity);
					} else if (ledger.counts.received !== before.received) return false;
					const pending = waiting.get(identity.device);
					if (pending !== undefined && answer !== "later") settle(pending, answer);
				}
				for (const pending of [...waiting.values()]) settle(pending, "refused");
				for (const device of ["a", "b"]) ledger.close(device);
				audit.close(epoch);
			}
			const { received, applied, refused } = ledger.counts;
			const { lost, doubled } = audit.result;
			const once = [...effects.values()].every((times) => times === 1);
			return once && applied === effects.size && received === applied + refused && lost === 0 && doubled === 0;
		}),
	);
	t.pass();
});

test("the audit finds what was lost and what was doubled, whatever the ledger says", (t) => {
	const audit = new BatchAudit();
	audit.received(batch(0));
	audit.received(batch(1));
	audit.received(batch(200));
	audit.applied(batch(0));
	audit.applied(batch(0));
	audit.refused(batch(1));
	t.deepEqual(audit.result, { lost: 1, doubled: 1 });
	audit.close(1);
	t.deepEqual(audit.result, { lost: 1, doubled: 1 });
	audit.applied(batch(1));
	t.deepEqual(audit.result, { lost: 1, doubled: 2 }, "after its epoch a batch cannot take effect for the first time");
});
