import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Candidate, isInGroup, Rollout, type RolloutCause, RolloutFolder, rolloutLimits } from "@psgl/cloud";
import test from "ava";
import fc from "fast-check";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const stable = "0".repeat(64);
const digestOf = (version: number) => `${version}`.padStart(64, "0");

/** A candidate of one byte, its version. */
async function open(bytes: Uint8Array): Promise<Candidate> {
	const digest = digestOf(bytes[0] ?? 0);
	return { digest, artifact: digest, close: async () => undefined };
}

const version = (n: number) => Uint8Array.of(n);
const openIn = (path: string, served = stable) =>
	Rollout.open({ store: new RolloutFolder(path), stable: served, open });

test("who gets a release at a percentage gets it at every higher one; none at 0, all at 100", (t) => {
	const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
	const release = fc.stringMatching(/^[0-9a-f]{64}$/);
	fc.assert(
		fc.property(id, release, fc.integer({ min: 0, max: 99 }), (device, digest, percentage) => {
			t.false(isInGroup(device, digest, 0));
			t.true(isInGroup(device, digest, 100));
			if (isInGroup(device, digest, percentage)) t.true(isInGroup(device, digest, percentage + 1));
		}),
		{ numRuns: 300 },
	);
});

test("the share of devices is the percentage, and each release begins with other devices", (t) => {
	const ids = Array.from({ length: 10_000 }, (_, i) => `ward-${i}`);
	const inAt = (percentage: number, n: number) => ids.filter((id) => isInGroup(id, digestOf(n), percentage));
	for (const percentage of [1, 10, 50, 90]) {
		const share = inAt(percentage, 1).length / ids.length;
		// Four standard deviations of a binomial share of 10,000.
		t.true(Math.abs(share - percentage / 100) < 4 * Math.sqrt((percentage / 100) * (1 - percentage / 100) * 1e-4));
	}
	const both = inAt(10, 1).filter((id) => isInGroup(id, digestOf(2), 10));
	t.true(both.length < 200, `${both.length} of 1,000 are in both first tenths`);
});

test("a state survives a restart: percentage, halt, and who has or failed it", async (t) => {
	const path = join(await temporaryFolder(t), "rollout");
	const first = await openIn(path);
	await first.start(version(1), 100);
	for (const id of ["a", "b", "c"]) first.offered(id);
	first.heard("a", digestOf(1), "trial");
	first.heard("b", digestOf(1), "rejected");
	first.heard("b", digestOf(1), "trial");
	first.heard("stranger", digestOf(1), "rejected");
	first.heard("c", digestOf(9), "rejected");
	await first.halt();
	const again = await openIn(path);
	t.deepEqual(again.status(), first.status());
	t.deepEqual(again.status().devices, { offered: 1, trial: 1, confirmed: 0, failed: 1 });
	t.deepEqual(
		["a", "b", "c", "d"].map((id) => again.includes(id)),
		[true, false, true, false],
		"halted: d is not in",
	);
	t.is(again.candidate?.digest, digestOf(1));
	await again.setPercentage(100);
	t.true(again.includes("d"));
	t.false(again.includes("b"), "it failed there");
	await again.setPercentage(0);
	t.false(again.includes("a"));
	const over = await openIn(path, digestOf(1));
	t.is(over.status().phase, "none", "its candidate is served to all now");
	t.is((await openIn(path)).status().phase, "none", "nothing is left of it");
});

test("more failures than the limit's share roll it back; fewer do not, and one alone never", async (t) => {
	const { maxFailedShare, minFailures } = rolloutLimits;
	for (const healthy of [0, Math.ceil(minFailures / maxFailedShare) - minFailures]) {
		const rollout = await openIn(await temporaryFolder(t));
		const causes: RolloutCause[] = [];
		rollout.onChange = (_, cause) => causes.push(cause);
		await rollout.start(version(1), 100);
		const ids = Array.from({ length: healthy + minFailures + 1 }, (_, i) => `d${i}`);
		for (const id of ids) rollout.offered(id);
		for (const id of ids.slice(0, healthy)) rollout.heard(id, digestOf(1), "confirmed");
		const failing = ids.slice(healthy);
		for (const id of failing.slice(0, minFailures - 1)) rollout.heard(id, digestOf(1), "rolled-back");
		await rollout.halt();
		t.is(rollout.status().phase, "halted", "one alone");
		for (const id of failing.slice(minFailures - 1, minFailures)) rollout.heard(id, digestOf(1), "rejected");
		// Orders come one after the other: this one is refused when the roll-back came first.
		const order = rollout.halt();
		if (healthy === 0) await t.throwsAsync(order, { code: "PSGL_ROLLOUT_NONE" });
		else {
			await order;
			rollout.heard(failing.at(-1) as string, digestOf(1), "rejected");
			await t.throwsAsync(rollout.halt(), { code: "PSGL_ROLLOUT_NONE" });
		}
		t.like(rollout.status(), { phase: "rolled-back", automatic: true });
		t.is(causes.filter((cause) => cause === "automatic").length, 1);
		t.is(rollout.candidate, undefined);
	}
});

test("a process that ended before it could roll back does so when it begins anew", async (t) => {
	const path = await temporaryFolder(t);
	const first = await openIn(path);
	await first.start(version(1), 100);
	for (const id of ["a", "b", "c"]) first.offered(id);
	for (const id of ["a", "b"]) first.heard(id, digestOf(1), "rejected");
	await t.throwsAsync(first.halt(), { code: "PSGL_ROLLOUT_NONE" });
	const file = join(path, "rollout.json");
	const state = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
	const { reason, automatic, ...before } = state;
	t.true(automatic);
	await writeFile(file, JSON.stringify({ ...before, phase: "running" }));
	const again = await openIn(path);
	t.like(again.status(), { phase: "rolled-back", automatic: true, reason });
	t.is(again.candidate, undefined);
	t.deepEqual(JSON.parse(await readFile(file, "utf8")), state);
});

test("orders that cannot be followed are refused, and change nothing", async (t) => {
	const rollout = await openIn(await temporaryFolder(t));
	for (const bad of [-1, 101, 1.5, Number.NaN]) {
		await t.throwsAsync(rollout.start(version(1), bad), { code: "PSGL_ROLLOUT_PERCENTAGE" });
	}
	for (const order of [() => rollout.halt(), () => rollout.rollback(), () => rollout.setPercentage(5)]) {
		await t.throwsAsync(order(), { code: "PSGL_ROLLOUT_NONE" });
	}
	await rollout.start(version(1), 20);
	await t.throwsAsync(rollout.start(version(2), 20), { code: "PSGL_ROLLOUT_UNDER_WAY" });
	await t.throwsAsync(rollout.setPercentage(200), { code: "PSGL_ROLLOUT_PERCENTAGE" });
	t.like(rollout.status(), { phase: "running", percentage: 20, candidate: digestOf(1) });
	await rollout.rollback("r".repeat(5000));
	t.is(rollout.status().reason?.length, rolloutLimits.maxReasonLength);
	t.is((await rollout.start(version(1), 3)).percentage, 3, "one that was taken back by hand may be tried again");
});

test("maxDevices: no more devices get the candidate than are remembered", async (t) => {
	const rollout = await openIn(await temporaryFolder(t));
	await rollout.start(version(1), 100);
	for (let i = 0; i < rolloutLimits.maxDevices; i++) rollout.offered(`d${i}`);
	t.true(rollout.includes("d7"));
	t.false(rollout.includes("late"));
	rollout.offered("late");
	t.is(rollout.status().devices.offered, rolloutLimits.maxDevices);
});

test("a state that is damaged, of another model or without its candidate is refused", async (t) => {
	const path = await temporaryFolder(t);
	const rollout = await openIn(path);
	await rollout.start(version(1), 20);
	const file = join(path, "rollout.json");
	const good = await readFile(file, "utf8");
	await t.throwsAsync(openIn(path, digestOf(7)), { code: "PSGL_ROLLOUT_STABLE" });
	for (const bad of ["", "{", "[]", good.replace("20", "2000"), good.slice(0, -5), good.replace(stable, "x")]) {
		await writeFile(file, bad);
		await t.throwsAsync(openIn(path), { code: "PSGL_ROLLOUT_DAMAGED" }, bad);
	}
	await writeFile(file, good);
	await writeFile(join(path, "candidate.psgl"), version(2));
	await t.throwsAsync(openIn(path), { code: "PSGL_ROLLOUT_STABLE" });
	await rm(join(path, "candidate.psgl"));
	await t.throwsAsync(openIn(path), { code: "PSGL_ROLLOUT_READ" });
});

test("an order that cannot be written down changes nothing; a roll-back is done all the same", async (t) => {
	const path = join(await temporaryFolder(t), "rollout");
	const rollout = await openIn(path);
	await rollout.start(version(1), 20);
	await rm(path, { recursive: true });
	await writeFile(path, "a file where the folder was");
	await t.throwsAsync(rollout.setPercentage(90), { code: "PSGL_ROLLOUT_WRITE" });
	t.like(rollout.status(), { phase: "running", percentage: 20 });
	await t.throwsAsync(rollout.rollback(), { code: "PSGL_ROLLOUT_WRITE" });
	t.like(rollout.status(), { phase: "rolled-back" });
	t.false(rollout.includes("a"));
	await rm(path);
	await mkdir(path);
	await rollout.start(version(2), 30);
	t.like((await openIn(path)).status(), { phase: "running", percentage: 30 });
});
