import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { artifactDigest, isInGroup, openRolloutDesk, partitionOf, type RolloutStatus, RunStore } from "@psgl/cloud";
import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { ExecutionContext } from "ava";
import { Child } from "../helpers/child.js";
import { startCloud } from "../helpers/cloud.js";
import { NatsServers } from "../helpers/nats-servers.js";
import { withPrograms } from "../helpers/outside-program.js";
import { connectMember } from "../helpers/rollout-member.js";
import { smallDataset } from "../helpers/small-model.js";
import type { StoreProcessOptions } from "../helpers/store-process.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { clientDigest, triedModels } from "../helpers/tried-models.js";

const withNats = withPrograms("nats-server");
const x = smallDataset(2, 9).batch([0]).x;
const partitions = 2;

/** Two of each partition. */
const ids = [0, 1].flatMap((partition) =>
	Array.from({ length: 40 }, (_, i) => `device-${i}`)
		.filter((id) => partitionOf(id, partitions) === partition)
		.slice(0, 2),
);

/** A cloud on NATS that serves: an aggregator and two ingresses, each a process. */
async function setUp(t: ExecutionContext) {
	const servers = await NatsServers.start();
	t.teardown(() => servers[Symbol.asyncDispose]());
	const folder = await temporaryFolder(t);
	const models = await triedModels();
	const artifact = join(folder, "stable.psgl");
	await writeFile(artifact, models.stableBytes);
	const start = (role: StoreProcessOptions["role"], more: Partial<StoreProcessOptions> = {}) => {
		const options = {
			role,
			servers: servers.urls,
			artifact,
			partitions,
			settings: { rounds: 0 },
			leaseMs: 1000,
			...more,
		};
		const child = new Child("store-process.js", [JSON.stringify(options)]);
		t.teardown(() => child.kill());
		return child;
	};
	const ingress = async (port = 0) => {
		const child = start("ingress", { port });
		const { url } = await child.next<{ url: string }>("listening");
		return { child, url };
	};
	const aggregator = start("aggregator");
	const ingresses = [await ingress(), await ingress()] as const;
	const store = await RunStore.join({ servers: servers.urls });
	t.teardown(() => store.close());
	return { servers, folder, models, artifact, aggregator, ingress, ingresses, store, start };
}

/** What an aggregator with a model decides about `x`. */
async function decisionOf(artifact: Parameters<typeof startCloud>[0]): Promise<Float32Array> {
	await using cloud = await startCloud(artifact, { rounds: 0 });
	await using device = await Device.connect({ url: cloud.url, id: "reference", runtime: nodeRuntime });
	return (await device.infer(x)).scores.data;
}

withNats(
	"what is wanted of a device in one process reaches it at another's ingress, also after that was killed, and so does what it told",
	async (t) => {
		const { folder, models, ingress, ingresses, aggregator, store } = await setUp(t);
		const [id = ""] = ids;
		const twins = await store.openTwins();
		const told = async (version: number) => {
			while ((await aggregator.next<{ version: number }>("twin")).version !== version);
			return (await twins.get(id)).reported;
		};
		const { child, url } = ingresses[1];
		await using member = await connectMember({ url, id, folder, models });
		t.is((await told(0))?.version, 0);
		await twins.set(id, { window: 2 });
		t.like(await told(1), { version: 1, settings: { window: 2 }, errors: {} });
		await child.kill();
		// Nobody holds the device.
		await twins.set(id, { window: 3, maxCelsius: 70 });
		await ingress(Number(new URL(url).port));
		t.like(await told(2), { version: 2, settings: { window: 3, maxCelsius: 70 } });
		await member.device.ready();
	},
);

withNats(
	"a roll-out at half reaches the devices it should at every ingress, over kills of all roles; it is taken back, and its candidate can be served under the run's name",
	async (t) => {
		const { servers, folder, models, ingress, ingresses, aggregator, store, start } = await setUp(t);
		const good = await clientDigest(models.good);
		const stable = await clientDigest(models.stable);
		const decisions = { stable: await decisionOf(models.stable), good: await decisionOf(models.good) };
		const members = await Promise.all(
			ids.map((id, i) => connectMember({ url: ingresses[i % 2]?.url ?? "", id, folder, models })),
		);
		t.teardown(() => Promise.all(members.map((member) => member[Symbol.asyncDispose]())));
		const half = Array.from({ length: 101 }, (_, p) => p).find(
			(p) => ids.filter((id) => isInGroup(id, good, p)).length >= 2,
		) as number;
		const decideAs = async (isNew: (id: string) => boolean) => {
			for (const { id, device, has } of members) {
				await has(isNew(id) ? good : stable);
				let decision = await device.infer(x);
				while (decision.source !== "aggregator") decision = await device.infer(x);
				t.deepEqual(decision.scores.data, isNew(id) ? decisions.good : decisions.stable, id);
			}
		};
		const inHalf = (id: string) => isInGroup(id, good, half);
		await decideAs(() => false);

		// Given by somebody who is none of the cloud's processes.
		const release = { artifact: models.stable, runtime: nodeRuntime, settings: { rounds: 0 } };
		const open = async () => openRolloutDesk(release, await store.openRollouts({}));
		const desk = await open();
		t.teardown(() => desk[Symbol.dispose]());
		await t.throwsAsync(desk.start(models.stableBytes, half), { code: "PSGL_ROLLOUT_UNFIT" });
		await desk.start(models.goodBytes, half);
		await decideAs(inHalf);

		const [{ child, url }] = ingresses;
		await Promise.all([child.kill(), aggregator.kill(), servers.kill()]);
		await servers.run();
		await ingress(Number(new URL(url).port));
		const next = start("aggregator");
		await decideAs(inHalf);
		const status = (found: RolloutStatus) =>
			t.like(found, { phase: "running", percentage: half, candidate: good, failed: [] });
		status(desk.status());
		using other = await open();
		status(other.status());
		await desk.halt();
		await other.setPercentage(100);
		await decideAs(() => true);
		await desk.rollback("it is slower");
		await decideAs(() => false);
		t.like(desk.status(), { phase: "rolled-back", reason: "it is slower", automatic: false });

		// Its model fails on devices of both partitions.
		await desk.start(models.badBytes, 100);
		for (;;) {
			const event = await next.next<{ phase: string; cause: string }>("rollout");
			if (event.phase !== "rolled-back" || event.cause !== "automatic") continue;
			break;
		}
		await decideAs(() => false);
		await t.throwsAsync(desk.start(models.badBytes, 100), { code: "PSGL_ROLLOUT_FAILED" });

		await desk.start(models.goodBytes, 100);
		await decideAs(() => true);
		const candidate = join(folder, "good.psgl");
		await writeFile(candidate, models.goodBytes);
		const served = { servers: servers.urls, artifact: await artifactDigest(models.good), partitions };
		await t.throwsAsync(RunStore.open({ ...served, artifact: "0".repeat(64) }), { code: "PSGL_JOURNAL_OTHER_RUN" });
		await next.kill();
		const last = start("aggregator", { artifact: candidate });
		await last.next("owned");
		await last.next("owned");
		await decideAs(() => true);
		const before = { ...served, artifact: await artifactDigest(models.stable) };
		await t.throwsAsync(RunStore.open(before), { code: "PSGL_JOURNAL_OTHER_RUN" });
	},
);
