import { mkdir, writeFile } from "node:fs/promises";
import { getPriority } from "node:os";
import { join } from "node:path";
import { type DeviceOptions, deviceTimes, type Host, type ResourceBudget, type Runtime } from "@psgl/sdk";
import { sha256 } from "@psgl/sdk/artifact";
import { budgetLimits, isWithinHours, nodeHost, parseBudget, WorkGate } from "@psgl/sdk/budget";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { ManualClock } from "../helpers/manual-clock.js";
import { gradientFor, trainRound } from "../helpers/rounds.js";
import { type SmallModel, smallDataset, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { trainingDevice } from "../helpers/training-device.js";

const id = "ward-3-pi";
const MiB = 2 ** 20;
let model: SmallModel;

test.before(async () => {
	model = await smallModel();
});

/** A machine in memory. */
function machine(state: { celsius?: number; mains?: boolean; memory?: number } = {}) {
	const host: Host = {
		memoryBytes: () => state.memory ?? 100 * MiB,
		celsius: async () => state.celsius,
		onMains: async () => state.mains,
		setNice: () => undefined,
	};
	return { state, host };
}

function start(budget: ResourceBudget, host: Host, options: Partial<DeviceOptions> = {}) {
	const data = { train: smallDataset(10), validation: smallDataset(6, 2) };
	return trainingDevice(model.client, { protocol: 2 }, { id, data, budget, host, ...options });
}

test("pauses between two batches while it is too hot, says so in its status, and goes on when it has cooled down", async (t) => {
	const clock = new ManualClock(1_000_000);
	const { state, host } = machine({ celsius: 60 });
	await using run = await start({ maxCelsius: 70 }, host, { clock });
	const { aggregator, events, device } = run;
	await aggregator.expect("resume");
	await aggregator.send({ ...trainRound(id), credit: 9 });
	const first = await aggregator.expect("batch");
	state.celsius = 71;
	await aggregator.send(gradientFor(first));
	t.deepEqual((await events.next("paused")).reasons, ["temperature"]);
	t.deepEqual(device.paused, ["temperature"]);
	t.is(aggregator.pending, 0);
	// Decisions are asked for all the same; nobody answers this one before the device is closed.
	device.infer(smallDataset(1).batch(Uint32Array.of(0)).x).catch(() => undefined);
	t.is((await aggregator.expect("infer")).seq, 0);
	// Cooler than the limit, but not by enough.
	state.celsius = 71 - budgetLimits.coolDownCelsius;
	await clock.advance(budgetLimits.pauseCheckMs);
	t.is(aggregator.pending, 0);
	state.celsius = 70 - budgetLimits.coolDownCelsius;
	await clock.advance(budgetLimits.pauseCheckMs);
	await events.next("resumed");
	t.is((await aggregator.expect("batch")).seq, 1);
	const paused = aggregator.statuses.map((status) => status.paused?.join());
	t.deepEqual(paused, [undefined, "temperature", undefined]);
});

test("does not train on battery nor outside of its hours, and tells each reason", async (t) => {
	// 12:00 of the machine's local time.
	const clock = new ManualClock(new Date(2026, 0, 15, 12, 0).getTime());
	const { state, host } = machine({ mains: false });
	await using run = await start({ onlyOnMains: true, hours: "22:00-06:00" }, host, { clock });
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send({ ...trainRound(id), credit: 9 });
	t.deepEqual((await events.next("paused")).reasons, ["battery", "hours"]);
	state.mains = true;
	await clock.advance(budgetLimits.pauseCheckMs);
	t.deepEqual((await events.next("paused")).reasons, ["hours"]);
	await clock.advance(10 * 3600 * 1000);
	await events.next("resumed");
	t.is((await aggregator.expect("batch")).seq, 0);
	t.is(aggregator.pending, 0);
});

test("a pause ends at once when the device is closed or the signal aborts", async (t) => {
	const { host } = machine({ mains: false });
	const run = await start({ onlyOnMains: true }, host, { clock: new ManualClock() });
	await run.aggregator.expect("resume");
	await run.aggregator.send({ ...trainRound(id), credit: 9 });
	await run.events.next("paused");
	await run.device.close();
	await t.throwsAsync(run.events.done, { code: "PSGL_DEVICE_CLOSED" });
	await run.aggregator.close();
});

test("rests after each step as long as its duty cycle says", async (t) => {
	/** Each look at the clock takes ten milliseconds; rests are noted down, and over at once. */
	const rests: number[] = [];
	class BusyClock extends ManualClock {
		override now(): number {
			void this.advance(10);
			return super.now();
		}
		override sleep(ms: number, signal?: AbortSignal): Promise<void> {
			if (ms > 100) return super.sleep(ms, signal);
			rests.push(ms);
			return this.advance(ms);
		}
	}
	await using run = await start({ dutyCycle: 0.25 }, machine().host, { clock: new BusyClock() });
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send({ ...trainRound(id), credit: 9 });
	await aggregator.send(gradientFor(await aggregator.expect("batch")));
	await events.next("step");
	await aggregator.expect("batch");
	// Two runs of 10 ms: three times as long, less the look that began it.
	t.deepEqual(rests, [50]);
	t.is(new WorkGate({ budget: {}, host: undefined, clock: new ManualClock() }).restMs(1000), 0);
});

test("every graph of the device runs on as many threads as its budget says", async (t) => {
	const threads = new Set<number | undefined>();
	const runtime: Runtime = {
		version: nodeRuntime.version,
		load(graph, options) {
			threads.add(options?.threads);
			return nodeRuntime.load(graph, options);
		},
	};
	await using run = await start({ threads: 2 }, machine().host, { runtime });
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send({ ...trainRound(id), credit: 9 });
	await aggregator.send(gradientFor(await aggregator.expect("batch")));
	await events.next("step");
	t.deepEqual([...threads], [2]);
});

test("shrinks training batches until they fit its memory", async (t) => {
	const { memory } = model.joint.manifest;
	if (memory === undefined) return t.fail("the compiler estimates what training takes");
	t.true(memory.sampleBytes > 64 * 4 && memory.fixedBytes > 4 * model.joint.manifest.client.paramCount);
	const { host } = machine();
	const room = budgetLimits.reserveBytes + memory.fixedBytes + 3.5 * memory.sampleBytes;
	await using run = await start({ memoryBytes: Math.round(100 * MiB + room) }, host);
	const { aggregator, events } = run;
	await aggregator.expect("resume");
	await aggregator.send({ ...trainRound(id), credit: 9 });
	t.like(await events.next("batch-shrunk"), { samples: 3, batchSize: 4 });
	for (const samples of [3, 3, 2]) {
		const batch = await aggregator.expect("batch");
		t.is(batch.tensors.smashed.dims[0], samples);
		await aggregator.send(gradientFor(batch));
	}
	t.is((await aggregator.expect("weights")).samples, 8);
});

test("validation batches shrink as well", async (t) => {
	const { memory } = model.joint.manifest;
	if (memory === undefined) return t.fail("the compiler estimates what training takes");
	const room = budgetLimits.reserveBytes + memory.fixedBytes + 3.5 * memory.sampleBytes;
	await using run = await start({ memoryBytes: Math.round(100 * MiB + room) }, machine().host);
	const { aggregator } = run;
	await aggregator.expect("resume");
	await aggregator.send(trainRound(id, { task: "validate" }));
	for (const samples of [3, 2]) {
		const { seq, epoch, tensors } = await aggregator.expect("evaluate");
		t.is(tensors?.smashed?.dims[0], samples);
		await aggregator.send({ type: "received", device: id, of: "evaluate", epoch, seq });
	}
});

test("a model that does not fit its memory is told, asked for again, and trained once the operator allows more", async (t) => {
	const clock = new ManualClock(1_000_000);
	const { host } = machine();
	await using run = await start({ memoryBytes: 100 * MiB }, host, { clock });
	const { aggregator, events, device } = run;
	t.is((await events.next("rejected")).error.code, "PSGL_DEVICE_MEMORY");
	t.is(device.artifact, undefined);
	await aggregator.send({ type: "desired", device: id, version: 1, settings: { memoryBytes: 500 * MiB } });
	t.deepEqual((await events.next("configured")).settings, { memoryBytes: 500 * MiB });
	await clock.advance(deviceTimes.answerTimeoutMs * deviceTimes.maxPatience);
	t.like(await aggregator.expect("resume"), { awaiting: "artifact" });
	await aggregator.sendArtifact(id);
	await events.next("artifact");
	t.like(await aggregator.expect("resume"), { awaiting: "round" });
	await aggregator.send({ ...trainRound(id), credit: 9 });
	t.is((await aggregator.expect("batch")).seq, 0);
});

test("a device keeps the model it has where a new one does not fit its memory", async (t) => {
	const { host } = machine();
	const larger = await smallModel("none", { network: "resnet-small" });
	const { memory: small } = model.joint.manifest;
	const { memory: large } = larger.joint.manifest;
	if (small === undefined || large === undefined) return t.fail("the compiler estimates what training takes");
	const room = small.fixedBytes + 4 * small.sampleBytes;
	t.true(large.fixedBytes + 2 * large.sampleBytes > room);
	await using run = await start({ memoryBytes: Math.round(100 * MiB + budgetLimits.reserveBytes + room) }, host, {
		inferTimeoutMs: 50,
	});
	const { aggregator, events, device } = run;
	await aggregator.expect("resume");
	const { artifact } = device;
	const digest = await sha256(larger.client);
	await aggregator.enrol({ device: id, artifacts: [aggregator.digest] }, digest);
	await aggregator.send({ type: "artifact", device: id, name: "larger", version: "1", digest, body: larger.client });
	t.is((await events.next("rejected")).error.code, "PSGL_DEVICE_MEMORY");
	t.is(device.artifact, artifact);
	const decision = await device.infer(smallDataset(1).batch(Uint32Array.of(0)).x);
	t.is(decision.source, "local-head");
});

test("reads temperatures and supplies as Linux shows them", async (t) => {
	const root = await temporaryFolder(t);
	const write = async (path: string, text: string) => {
		await mkdir(join(root, "class", path, ".."), { recursive: true });
		await writeFile(join(root, "class", path), `${text}\n`);
	};
	const host = nodeHost({ root });
	t.is(await host.celsius(), undefined);
	t.is(await host.onMains(), undefined);
	await write("thermal/thermal_zone0/temp", "48312");
	await write("thermal/thermal_zone1/temp", "61250");
	await write("thermal/thermal_zone2/temp", "N/A");
	await write("thermal/cooling_device0/temp", "99000");
	t.is(await host.celsius(), 61.25);
	await write("power_supply/BAT0/type", "Battery");
	t.is(await host.onMains(), false, "nothing but a battery");
	await write("power_supply/AC/type", "Mains");
	await write("power_supply/AC/online", "0");
	t.is(await host.onMains(), false);
	await write("power_supply/AC/online", "1");
	t.is(await host.onMains(), true);
	t.true(host.memoryBytes() > 10 * MiB);
	const level = getPriority();
	host.setNice(Math.max(level, 1));
	t.is(getPriority(), Math.max(level, 1));
});

test("hours may go over midnight, and a budget out of range is refused", (t) => {
	const at = (hour: number, minute = 0) => new Date(2026, 5, 1, hour, minute);
	t.deepEqual(
		[21, 22, 3, 6, 12].map((hour) => isWithinHours("22:00-06:00", at(hour))),
		[false, true, true, false, false],
	);
	t.true(isWithinHours("01:00-02:00, 12:00-13:00", at(12, 59)));
	t.false(isWithinHours("01:00-02:00, 12:00-13:00", at(13)));
	for (const budget of [{ dutyCycle: 0 }, { hours: "25:00-06:00" }, { nice: -1 }, { threads: 0 }, { watts: 5 }]) {
		t.throws(() => parseBudget(budget), { code: "PSGL_BUDGET" }, JSON.stringify(budget));
	}
});
