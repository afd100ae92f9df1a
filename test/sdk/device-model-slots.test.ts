import { clientHalf, withWeights } from "@psgl/models";
import { Device, type DeviceOptions, type ModelReport, type Runtime } from "@psgl/sdk";
import { type Artifact, artifactTensor, decodeArtifact, encodeArtifact, releaseName, sha256 } from "@psgl/sdk/artifact";
import type { HealthMessage } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import { type MemoryRecords, memoryDeviceStore, slotLimits } from "@psgl/sdk/store";
import test from "ava";
import { strToU8, unzipSync, zipSync } from "fflate";
import { failingStore } from "../helpers/failing-store.js";
import { interceptedRuntime } from "../helpers/intercepted-runtime.js";
import { ScriptedAggregator, type Terms } from "../helpers/scripted-aggregator.js";
import { newSigner, releaseText, rootOf } from "../helpers/signers.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const id = "ward-3-pi";
const { maxStarts, confirmUses, rejectedKept } = slotLimits;
const version2: Terms = { protocol: 2 };
const x = smallDataset(2).batch([0, 1]).x;

let joint: Artifact;
/** Client halves: the model of today, a new one that decides alike, and new ones that fail. */
let old: Uint8Array;
let good: Uint8Array;
let worse: Uint8Array;
let notFinite: Uint8Array;
let broken: Uint8Array;
/** The device's own samples, labelled as the old model decides. */
let data: Dataset;

test.before(async () => {
	({ joint } = await smallModel());
	const head = artifactTensor(joint, "client/head");
	const variant = async (note: string, change: (value: number) => number) => {
		const weights = new Map([["client/head", { ...head, data: head.data.map(change) }]]);
		return clientHalf(await decodeArtifact(await withWeights(joint, weights, note)));
	};
	old = await variant("old", (value) => value);
	good = await variant("good", (value) => value);
	worse = await variant("worse", (value) => -value);
	notFinite = await variant("not finite", () => Number.NaN);
	const { manifest, graphs, tensors } = await decodeArtifact(good);
	broken = await encodeArtifact(manifest, new Map([...graphs, ["client/infer", Uint8Array.of(1, 2, 3)]]), tensors);
	const samples = smallDataset(16);
	const { samples: pixels, shape, classes } = samples;
	await using aggregator = await ScriptedAggregator.start(old);
	follow(aggregator);
	await using device = await Device.connect({ url: aggregator.url, id, runtime: nodeRuntime });
	const decided = await device.infer(samples.batch(Uint32Array.from({ length: 16 }, (_, i) => i)).x);
	data = new Dataset({ shape, classes, samples: pixels, labels: decided.classes });
});

interface Started extends AsyncDisposable {
	readonly device: Device;
	readonly reports: ModelReport[];
	/** The first report of one of these states. */
	reported(...states: readonly ModelReport["state"][]): Promise<ModelReport>;
}

async function start(url: string, records: MemoryRecords, options: Partial<DeviceOptions> = {}): Promise<Started> {
	const reports: ModelReport[] = [];
	let wake: () => void = () => undefined;
	const device = await Device.connect({
		url,
		id,
		runtime: nodeRuntime,
		data: { train: data },
		store: memoryDeviceStore(records),
		onModel: (report) => {
			reports.push(report);
			wake();
		},
		...options,
	});
	return {
		device,
		reports,
		async reported(...states) {
			for (;;) {
				const found = reports.find((report) => states.includes(report.state));
				if (found !== undefined) return found;
				await new Promise<void>((resolve) => {
					wake = resolve;
				});
			}
		},
		[Symbol.asyncDispose]: () => device.close(),
	};
}

/** A device that has used the old model; what it knows is in the records. */
async function withOldModel(options: Partial<DeviceOptions> = {}, artifact = old): Promise<MemoryRecords> {
	const records: MemoryRecords = new Map();
	await using aggregator = await ScriptedAggregator.start(artifact);
	await using started = await start(aggregator.url, records, options);
	await started.device.ready();
	return records;
}

/** Refuses to decide, so that the local head does at once, and gives out what devices say of models. */
function follow(aggregator: ScriptedAggregator): { readonly next: () => Promise<HealthMessage> } {
	const heard: HealthMessage[] = [];
	let wake: () => void = () => undefined;
	void (async () => {
		for (;;) {
			const message = await aggregator.next();
			if (message.type === "health") {
				heard.push(message);
				wake();
			}
			if (message.type !== "infer") continue;
			const { device, seq } = message;
			await aggregator.send({ type: "refused", device, of: "infer", seq, code: "PSGL_TEST", what: "no", retry: false });
		}
	})();
	return {
		next: async () => {
			for (;;) {
				const message = heard.shift();
				if (message !== undefined) return message;
				await new Promise<void>((resolve) => {
					wake = resolve;
				});
			}
		},
	};
}

/** An aggregator that serves one model. */
async function serving(artifact: Uint8Array) {
	const aggregator = await ScriptedAggregator.start(artifact, version2);
	return {
		aggregator,
		url: aggregator.url,
		health: follow(aggregator),
		[Symbol.asyncDispose]: () => aggregator.close(),
	};
}

test("a new model runs on trial, proves itself by being used, and is the device's own then", async (t) => {
	const records = await withOldModel();
	await using aggregator = await serving(good);
	const artifact = await sha256(good);
	{
		await using started = await start(aggregator.url, records);
		t.deepEqual(await started.reported("trial"), { artifact, state: "trial" });
		t.is(started.device.artifact, artifact);
		for (let use = 0; use < confirmUses; use++) {
			t.false(started.reports.some(({ state }) => state === "confirmed"));
			await started.device.infer(x);
		}
		t.deepEqual(await started.reported("confirmed"), { artifact, state: "confirmed" });
		t.like(await aggregator.health.next(), { artifact, state: "trial" });
	}
	// Any number of starts does it no harm.
	for (let n = 0; n < maxStarts + 2; n++) {
		await using again = await start(aggregator.url, records);
		t.is(again.device.artifact, artifact);
		t.deepEqual(again.reports, []);
	}
});

test("a model that does not run, puts out NaN or decides much worse is never active: the old one goes on deciding", async (t) => {
	for (const [name, bytes] of Object.entries({ broken, notFinite, worse })) {
		const records = await withOldModel();
		await using aggregator = await serving(bytes);
		const artifact = await sha256(bytes);
		await using started = await start(aggregator.url, records);
		t.like(await started.reported("rejected"), { artifact, code: "PSGL_MODEL_UNHEALTHY" }, name);
		t.like(await aggregator.health.next(), { artifact, state: "rejected", code: "PSGL_MODEL_UNHEALTHY" }, name);
		t.is(started.device.artifact, await sha256(old), name);
		t.like(await started.device.infer(x), { source: "local-head" }, name);
		await t.throwsAsync(started.device.train().next(), { code: "PSGL_MODEL_REJECTED" }, name);
	}
});

test("healthSamples, maxAccuracyLoss: on the last samples a new model may be a tenth worse, and no more", async (t) => {
	const { healthSamples, maxAccuracyLoss } = slotLimits;
	const before = 40;
	const samples = smallDataset(before + healthSamples);
	const all = samples.batch(Uint32Array.from({ length: samples.length }, (_, i) => i)).x;
	await using aggregator = await serving(old);
	await using asking = await Device.connect({ url: aggregator.url, id: "asking", runtime: nodeRuntime });
	const { classes: decided } = await asking.infer(all);
	// The worse model decides everything the other way round: what it loses is what the old one gets right beyond a half, twice.
	const most = Math.floor((healthSamples * (1 + maxAccuracyLoss)) / 2);
	for (const [right, state] of [
		[most, "trial"],
		[most + 1, "rejected"],
	] as const) {
		const labels = decided.map((label, i) => (i < before || i < before + right ? label : 1 - label));
		const { shape, classes, samples: pixels } = samples;
		const own = new Dataset({ shape, classes, samples: pixels, labels });
		const records = await withOldModel({ data: { train: own } });
		await using serves = await serving(worse);
		await using started = await start(serves.url, records, { data: { train: own } });
		t.is((await started.reported("trial", "rejected")).state, state, `${right} of ${healthSamples}`);
	}
});

test("a model that failed is not tried again after a restart; another one is", async (t) => {
	const records = await withOldModel();
	{
		await using aggregator = await serving(worse);
		await using started = await start(aggregator.url, records);
		await started.reported("rejected");
	}
	{
		await using aggregator = await serving(worse);
		await using again = await start(aggregator.url, records);
		t.like(await aggregator.health.next(), { state: "rejected", code: "PSGL_MODEL_UNHEALTHY" });
		t.is(again.device.artifact, await sha256(old));
		t.deepEqual(again.reports, [], "it was not tried");
	}
	await using aggregator = await serving(good);
	await using other = await start(aggregator.url, records);
	await other.reported("trial");
	t.is(other.device.artifact, await sha256(good));
});

test("rejectedKept: the last models that failed are remembered, the oldest gives way", async (t) => {
	const records = await withOldModel();
	const { encode, decode } = await import("cborg");
	const slots = decode(records.get("slots") as Uint8Array) as { readonly rejected: readonly { digest: string }[] };
	const failed = Array.from({ length: rejectedKept }, (_, i) => ({ digest: `${i}`.repeat(64), code: "C", what: "w" }));
	records.set("slots", encode({ ...slots, rejected: failed }));
	await using aggregator = await serving(worse);
	await using started = await start(aggregator.url, records);
	await started.reported("rejected");
	const { rejected } = decode(records.get("slots") as Uint8Array) as typeof slots;
	t.deepEqual(
		rejected.map(({ digest }) => digest),
		[...failed.slice(1).map(({ digest }) => digest), await sha256(worse)],
	);
});

test("a process that ends again and again with a new model comes back with the old one", async (t) => {
	const records = await withOldModel();
	await using aggregator = await serving(good);
	const artifact = await sha256(good);
	{
		await using first = await start(aggregator.url, records);
		await first.reported("trial");
	}
	for (let n = 1; n <= maxStarts; n++) {
		await using again = await start(aggregator.url, records);
		t.is(again.device.artifact, artifact, `start ${n}`);
	}
	await using last = await start(aggregator.url, records);
	t.like(last.reports[0], { artifact, state: "rolled-back", code: "PSGL_MODEL_UNHEALTHY" });
	t.is(last.device.artifact, await sha256(old));
	t.like(await last.device.infer(x), { source: "local-head" });
});

test("a use between the starts is no crash loop", async (t) => {
	const records = await withOldModel();
	await using aggregator = await serving(good);
	for (let n = 0; n < confirmUses; n++) {
		await using again = await start(aggregator.url, records);
		if (n === 0) await again.reported("trial");
		await again.device.infer(x);
		t.is(again.device.artifact, await sha256(good));
	}
});

/** A runtime in which decisions with some weights fail after the first `runs`. */
function failingAfter(runs: number, isNew: (head: Float32Array) => boolean): Runtime {
	let left = runs;
	return interceptedRuntime(async ({ head }, run) => {
		if (isNew(head?.data as Float32Array) && left-- <= 0) throw new Error("out of memory");
		return run();
	});
}

test("a model that fails while it is used is rolled back at once, and the decision is made with the old one", async (t) => {
	const head = artifactTensor(joint, "client/head");
	const longer = { ...head, data: head.data.map((value) => 1.5 * value) };
	const next = await clientHalf(await decodeArtifact(await withWeights(joint, new Map([["client/head", longer]]), "")));
	const records = await withOldModel();
	await using aggregator = await serving(next);
	// Its health check runs it twice: outputs, then accuracy.
	const runtime = failingAfter(3, (data) => data?.[0] === longer.data[0]);
	await using started = await start(aggregator.url, records, { runtime });
	await started.reported("trial");
	await started.device.infer(x);
	const decision = await started.device.infer(x);
	t.is(decision.source, "local-head");
	t.like(await started.reported("rolled-back"), { artifact: await sha256(next), code: "PSGL_MODEL_UNHEALTHY" });
	t.is(started.device.artifact, await sha256(old));
});

test("terms of disclosure bind for good from when a model is active: not those of one that fails its check", async (t) => {
	const withBudget = async (bytes: Uint8Array, budgetBits: number) => {
		const { manifest, graphs, tensors } = await decodeArtifact(bytes);
		return encodeArtifact({ ...manifest, disclosure: { ...manifest.disclosure, budgetBits } }, graphs, tensors);
	};
	const records = await withOldModel();
	{
		await using aggregator = await serving(await withBudget(worse, 7));
		await using started = await start(aggregator.url, records);
		await started.reported("rejected");
		t.false("budgetBits" in started.device.disclosure);
	}
	{
		await using aggregator = await serving(await withBudget(good, 5000));
		await using started = await start(aggregator.url, records);
		await started.reported("trial");
		t.is(started.device.disclosure.budgetBits, 5000);
	}
	await using aggregator = await serving(old);
	await using started = await start(aggregator.url, records);
	await started.reported("trial");
	t.is(started.device.artifact, await sha256(old));
	t.is(started.device.disclosure.budgetBits, 5000, "a bound never loosens");
});

test("power lost before any write of a change of models: the device has the one or the other, and comes to the new one", async (t) => {
	const names = new Map([
		[await sha256(old), "old"],
		[await sha256(good), "new"],
	]);
	const met = new Set<string>();
	let writes = 0;
	for (let whole = false; !whole; writes++) {
		const records = await withOldModel();
		await using aggregator = await serving(good);
		const { store, failure } = failingStore(records, writes);
		const connecting = start(aggregator.url, records, { store });
		const first = await Promise.race([connecting, failure]);
		const used = async (started: Started) => {
			await started.reported("trial");
			for (let n = 0; n < confirmUses; n++) await started.device.infer(x);
			return "whole" as const;
		};
		if (first !== "failed") {
			whole = (await Promise.race([used(first), failure])) === "whole";
			await first.device.close();
		}
		await using offline = await serving(good);
		offline.aggregator.enrols = false;
		{
			await using between = await start(offline.url, records);
			met.add(names.get(between.device.artifact ?? "") ?? "none");
		}
		await using again = await start(aggregator.url, records);
		if (again.device.artifact !== (await sha256(good))) await again.reported("trial");
		t.is(names.get(again.device.artifact ?? ""), "new", `after ${writes} writes`);
	}
	t.deepEqual([...met].sort(), ["new", "old"]);
	t.true(writes > confirmUses + 1, `${writes} places`);
});

test("signed models: until a new one has proved itself the device may go back to the older one, then no more", async (t) => {
	const keys = [await newSigner(), await newSigner()];
	const root = await rootOf(keys, { expires: "2099-01-01T00:00:00.000Z" });
	const sign = async (bytes: Uint8Array, counter: number) => {
		const text = await releaseText(bytes, keys, { counter, expires: "2099-01-01T00:00:00.000Z" });
		return zipSync({ ...unzipSync(bytes), [releaseName]: strToU8(text) });
	};
	const [first, second] = [await sign(old, 1), await sign(good, 2)];
	const records = await withOldModel({ root }, first);
	const meet = async (bytes: Uint8Array, uses: number) => {
		await using aggregator = await serving(bytes);
		await using started = await start(aggregator.url, records, { root });
		const kept = await started.reported("trial", "rejected");
		for (let n = 0; n < uses; n++) await started.device.infer(x);
		return kept;
	};
	t.is((await meet(second, 1)).state, "trial");
	t.is((await meet(first, 1)).state, "trial", "the fleet's operator takes the roll-out back");
	t.is((await meet(second, confirmUses)).state, "trial");
	t.like(await meet(first, 0), { state: "rejected", code: "PSGL_MODEL_ROLLBACK" });
});

test("signed models: while one is rolled out in stages the older one is taken back, also when the new one has proved itself", async (t) => {
	const keys = [await newSigner(), await newSigner()];
	const root = await rootOf(keys, { expires: "2099-01-01T00:00:00.000Z" });
	const sign = async (bytes: Uint8Array, counter: number) => {
		const text = await releaseText(bytes, keys, { counter, expires: "2099-01-01T00:00:00.000Z" });
		return zipSync({ ...unzipSync(bytes), [releaseName]: strToU8(text) });
	};
	const [first, second] = [await sign(old, 1), await sign(good, 2)];
	const records = await withOldModel({ root }, first);
	const meet = async (bytes: Uint8Array, terms: Terms, uses = 0) => {
		await using aggregator = await serving(bytes);
		aggregator.aggregator.terms = terms;
		await using started = await start(aggregator.url, records, { root });
		const { state } = await aggregator.health.next();
		for (let n = 0; n < uses; n++) await started.device.infer(x);
		return state;
	};
	t.is(await meet(second, { ...version2, staged: true }, confirmUses), "trial");
	t.is(await meet(second, { ...version2, staged: true }), "confirmed");
	t.is(await meet(first, version2, confirmUses), "trial", "the roll-out is taken back");
	t.is(await meet(second, { ...version2, staged: true }, confirmUses), "trial", "and tried again");
	t.is(await meet(second, version2), "confirmed", "it is over");
	t.is(await meet(first, version2), "rejected");
	t.regex(new TextDecoder().decode(records.get("trust/models")), /"counter":2/);
});

test("a store of format 1, which had one place for a model, is taken over", async (t) => {
	const records = await withOldModel();
	const { encode, decode } = await import("cborg");
	const device = decode(records.get("device") as Uint8Array) as object;
	records.set("device", encode({ ...device, format: 1 }));
	for (const part of ["welcome", "artifact", "client"]) {
		const value = records.get(`slot/a/${part}`);
		if (value !== undefined) records.set(part, value);
		records.delete(`slot/a/${part}`);
	}
	records.delete("slots");
	await using aggregator = await ScriptedAggregator.start(good);
	aggregator.enrols = false;
	await using started = await start(aggregator.url, records);
	t.is(started.device.artifact, await sha256(old));
	t.deepEqual((await aggregator.expect("hello")).artifacts, [await sha256(old)]);
	t.false(records.has("artifact"));
});
