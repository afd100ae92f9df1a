import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { artifactDigest, isInGroup, openRolloutDesk, partitionOf, RunStore } from "@psgl/cloud";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Child } from "../helpers/child.js";
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

withNats(
	"a cloud on NATS that serves: twins and a roll-out at half reach the devices they should at every ingress, over kills of all roles; it is taken back, and its candidate can be served under the run's name",
	async (t) => {
		await using servers = await NatsServers.start();
		const folder = await temporaryFolder(t);
		const models = await triedModels();
		const [good, stable] = [await clientDigest(models.good), await clientDigest(models.stable)];
		const file = { stable: join(folder, "stable.psgl"), good: join(folder, "good.psgl") };
		await writeFile(file.stable, models.stableBytes);
		await writeFile(file.good, models.goodBytes);
		const start = (role: StoreProcessOptions["role"], more: Partial<StoreProcessOptions> = {}) => {
			const common = { role, servers: servers.urls, partitions, settings: { rounds: 0 }, leaseMs: 1000 };
			const child = new Child("store-process.js", [JSON.stringify({ ...common, artifact: file.stable, ...more })]);
			t.teardown(() => child.kill());
			return child;
		};
		const ingress = async (port = 0) => {
			const child = start("ingress", { port });
			const { url } = await child.next<{ url: string }>("listening");
			return { child, url };
		};
		const aggregator = start("aggregator");
		const ingresses = await Promise.all([ingress(), ingress()]);
		await using store = await RunStore.join({ servers: servers.urls });
		const members = await Promise.all(
			ids.map((id, i) => connectMember({ url: ingresses[i % 2]?.url ?? "", id, folder, models })),
		);
		t.teardown(() => Promise.all(members.map((member) => member[Symbol.asyncDispose]())));
		/** What a device decides with each model: the same after every change. */
		const decisions = new Map<string, Float32Array>();
		const decideAs = async (isNew: (id: string) => boolean) => {
			for (const { id, device, has } of members) {
				const digest = isNew(id) ? good : stable;
				await has(digest);
				let decision = await device.infer(x);
				while (decision.source !== "aggregator") decision = await device.infer(x);
				const { data } = decision.scores;
				t.deepEqual(data, decisions.get(digest) ?? data, id);
				decisions.set(digest, data as Float32Array);
			}
		};
		await decideAs(() => false);

		// Given by somebody who is none of the cloud's processes.
		const [, id = ""] = ids;
		const twins = await store.openTwins();
		const told = async (by: Child, version: number) => {
			for (;;) {
				const event = await by.next<{ device: string; version: number }>("twin");
				if (event.device === id && event.version === version) return (await twins.get(id)).reported;
			}
		};
		await twins.set(id, { window: 2 });
		t.like(await told(aggregator, 1), { version: 1, settings: { window: 2 }, errors: {} });
		const release = { artifact: models.stable, runtime: nodeRuntime, settings: { rounds: 0 } };
		const open = async () => openRolloutDesk(release, await store.openRollouts({}));
		using desk = await open();
		await t.throwsAsync(desk.start(models.stableBytes, 50), { code: "PSGL_ROLLOUT_UNFIT" });
		const inAt = (p: number) => ids.filter((each) => isInGroup(each, good, p)).length;
		const half = Array.from({ length: 101 }, (_, p) => p).find((p) => inAt(p) >= ids.length / 2) as number;
		const inHalf = (each: string) => isInGroup(each, good, half);
		await desk.start(models.goodBytes, half);
		await decideAs(inHalf);
		t.notDeepEqual(decisions.get(good), decisions.get(stable));

		await Promise.all([...ingresses.map(({ child }) => child.kill()), aggregator.kill(), servers.kill()]);
		await servers.run();
		// Nobody holds a device, nobody owns a partition.
		await twins.set(id, { window: 3, maxCelsius: 70 });
		await Promise.all(ingresses.map(({ url }) => ingress(Number(new URL(url).port))));
		const next = start("aggregator");
		t.like(await told(next, 2), { version: 2, settings: { window: 3, maxCelsius: 70 } });
		await decideAs(inHalf);
		using other = await open();
		for (const each of [desk, other])
			t.like(each.status(), { phase: "running", percentage: half, candidate: good, failed: [] });
		await desk.halt();
		await other.setPercentage(100);
		await decideAs(() => true);
		await desk.rollback("it is slower");
		await decideAs(() => false);
		t.like(desk.status(), { phase: "rolled-back", reason: "it is slower", automatic: false });

		// It fails on devices of both partitions.
		await desk.start(models.badBytes, 100);
		while ((await next.next<{ cause: string }>("rollout")).cause !== "automatic");
		await decideAs(() => false);
		await t.throwsAsync(desk.start(models.badBytes, 100), { code: "PSGL_ROLLOUT_FAILED" });

		await desk.start(models.goodBytes, 100);
		await decideAs(() => true);
		const served = { servers: servers.urls, artifact: "0".repeat(64), partitions };
		await t.throwsAsync(RunStore.open(served), { code: "PSGL_JOURNAL_OTHER_RUN" });
		await next.kill();
		const last = start("aggregator", { artifact: file.good });
		await last.next("owned");
		await last.next("owned");
		await decideAs(() => true);
		const before = { ...served, artifact: await artifactDigest(models.stable) };
		await t.throwsAsync(RunStore.open(before), { code: "PSGL_JOURNAL_OTHER_RUN" });
	},
);
