import { join } from "node:path";
import { isInGroup, type Rollout } from "@psgl/cloud";
import { compileModel, presetDefinition, zooNetwork } from "@psgl/models";
import { Device, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { slotLimits } from "@psgl/sdk/store";
import test, { type ExecutionContext } from "ava";
import { type Cloud, startCloud } from "../helpers/cloud.js";
import { connectMember, type Member } from "../helpers/rollout-member.js";
import { smallDataset } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { clientDigest, type TriedModels, triedModels } from "../helpers/tried-models.js";

let models: TriedModels;
let stable: string;
let good: string;
/** [1,2] what aggregators with these models decide about `x`. */
let decisions: { readonly stable: Float32Array; readonly good: Float32Array };
const x = smallDataset(2, 9).batch([0]).x;
const ids = Array.from({ length: 6 }, (_, i) => `device-${i}`);

test.before(async () => {
	models = await triedModels();
	stable = await clientDigest(models.stable);
	good = await clientDigest(models.good);
	const of = async (artifact: TriedModels["stable"]) => {
		await using cloud = await startCloud(artifact, { rounds: 0 });
		await using device = await Device.connect({ url: cloud.url, id: "reference", runtime: nodeRuntime });
		return (await device.infer(x)).scores.data;
	};
	decisions = { stable: await of(models.stable), good: await of(models.good) };
});

async function fleet(t: ExecutionContext, url: string): Promise<readonly Member[]> {
	const folder = await temporaryFolder(t);
	const members = await Promise.all(ids.map((id) => connectMember({ url, id, folder, models })));
	t.teardown(() => Promise.all(members.map((member) => member[Symbol.asyncDispose]())));
	return members;
}

function rolloutOf({ aggregator: { rollout } }: Cloud): Rollout {
	if (rollout === undefined) throw new Error("the aggregator serves no roll-outs");
	return rollout;
}

/** The smallest percentage at which so many of the devices are in. */
function percentageFor(count: number): number {
	for (let p = 0; p <= 100; p++) if (ids.filter((id) => isInGroup(id, good, p)).length >= count) return p;
	return 100;
}

/** Every device decides through the aggregator, with the model it is to have. */
async function decideAs(t: ExecutionContext, members: readonly Member[], isNew: (id: string) => boolean) {
	for (const { id, device, has } of members) {
		await has(isNew(id) ? good : stable);
		const { source, scores } = await device.infer(x);
		t.is(source, "aggregator", id);
		t.deepEqual(scores.data, isNew(id) ? decisions.good : decisions.stable, id);
	}
}

test("a model reaches part of the fleet, stays there over a restart, reaches all, and is taken back", async (t) => {
	const folder = join(await temporaryFolder(t), "rollout");
	const percentage = percentageFor(3);
	const inGroup = (id: string) => isInGroup(id, good, percentage);
	t.notDeepEqual(decisions.stable, decisions.good);
	let cloud: Cloud = await startCloud(models.stable, { rounds: 0 }, { rolloutFolder: folder });
	t.teardown(() => cloud[Symbol.asyncDispose]());
	const members = await fleet(t, cloud.url);
	await decideAs(t, members, () => false);
	t.is(rolloutOf(cloud).status().phase, "none");

	await rolloutOf(cloud).start(models.goodBytes, percentage);
	await decideAs(t, members, inGroup);
	const { port } = cloud.broker;
	await cloud[Symbol.asyncDispose]();

	cloud = await startCloud(models.stable, { rounds: 0 }, { port, rolloutFolder: folder });
	t.like(rolloutOf(cloud).status(), { phase: "running", percentage, candidate: good, failed: [] });
	t.like(await cloud.events.next("rollout"), { cause: "resumed", phase: "running", percentage });
	await Promise.all(members.map(({ device }) => device.ready()));
	for (const { device } of members) while ((await device.infer(x)).source !== "aggregator");
	await decideAs(t, members, inGroup);

	await rolloutOf(cloud).halt();
	await decideAs(t, members, inGroup);
	await rolloutOf(cloud).setPercentage(100);
	await decideAs(t, members, () => true);
	for (let use = 1; use < slotLimits.confirmUses; use++) {
		for (const { device } of members) await device.infer(x);
	}
	const { events } = cloud;
	for (let told = 0; told < ids.length; ) told = (await events.next("rollout")).devices.confirmed;

	await rolloutOf(cloud).rollback("it is slower");
	await decideAs(t, members, () => false);
	t.like(rolloutOf(cloud).status(), { phase: "rolled-back", reason: "it is slower", automatic: false });
});

test("a model that fails on the devices is rolled back by itself, and every device goes on with the one before it", async (t) => {
	const folder = await temporaryFolder(t);
	await using cloud = await startCloud(models.stable, { rounds: 0 }, { rolloutFolder: folder });
	const members = await fleet(t, cloud.url);
	await rolloutOf(cloud).start(models.badBytes, 100);
	for (;;) {
		const event = await cloud.events.next("rollout");
		if (event.phase === "rolled-back") {
			t.is(event.cause, "automatic");
			t.regex(event.reason ?? "", /^failed on \d of \d devices$/);
			break;
		}
	}
	await decideAs(t, members, () => false);
	const status = rolloutOf(cloud).status();
	t.true(status.failed.length >= 2);
	t.true(members.filter(({ reports }) => reports.some(({ state }) => state === "rejected")).length >= 2);
	await t.throwsAsync(rolloutOf(cloud).start(models.badBytes, 10), { code: "PSGL_ROLLOUT_FAILED" });
	await t.throwsAsync(rolloutOf(cloud).setPercentage(10), { code: "PSGL_ROLLOUT_NONE" });
});

test("a device on which the model fails gets the one before it at once; the roll-out goes on without it", async (t) => {
	const folder = await temporaryFolder(t);
	await using cloud = await startCloud(models.stable, { rounds: 0 }, { rolloutFolder: folder });
	const bad = await connectMember({ url: cloud.url, id: "device-0", folder, models });
	t.teardown(() => bad[Symbol.asyncDispose]());
	await rolloutOf(cloud).start(models.badBytes, 100);
	while ((await cloud.events.next("rollout")).devices.failed === 0);
	await decideAs(t, [bad], () => false);
	t.like(rolloutOf(cloud).status(), { phase: "running", failed: ["device-0"] });
	// Connected anew it is not tried again.
	await bad.device.close();
	await using again = await connectMember({ url: cloud.url, id: "device-0", folder, models });
	await decideAs(t, [again], () => false);
	t.deepEqual(again.reports, []);
});

test("what is no other model for the same devices is not rolled out; an aggregator that trains takes no orders", async (t) => {
	const folder = await temporaryFolder(t);
	await using cloud = await startCloud(models.stable, { rounds: 0 }, { rolloutFolder: folder });
	await t.throwsAsync(rolloutOf(cloud).start(models.stableBytes, 10), { code: "PSGL_ROLLOUT_UNFIT" });
	const definition = presetDefinition("none", zooNetwork("lenet"), [1, 8, 8], ["dark", "bright", "grey"]);
	const other = await compileModel(definition, { name: "other", random: seededRandom(1) });
	await t.throwsAsync(rolloutOf(cloud).start(other, 10), { code: "PSGL_ROLLOUT_UNFIT" });
	await t.throwsAsync(rolloutOf(cloud).start(Uint8Array.of(1, 2, 3), 10), { code: "PSGL_ARTIFACT_FORMAT" });
	t.is(rolloutOf(cloud).status().phase, "none");
	await using training = await startCloud(models.stable, { rounds: 1 }, { rolloutFolder: folder });
	t.is(training.aggregator.rollout, undefined);
});
