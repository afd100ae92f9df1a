import { Rollout, RunStore } from "@psgl/cloud";
import { Condition } from "../../helpers/condition.js";
import { NatsServers } from "../../helpers/nats-servers.js";
import { withPrograms } from "../../helpers/outside-program.js";
import { factsOf } from "./rollout-store-compliance.js";

const withNats = withPrograms("nats-server");

/** The store of a run, on a server of its own. */
async function openRun() {
	const servers = await NatsServers.start();
	const store = await RunStore.open({ servers: servers.urls, artifact: "a", partitions: 2 });
	return {
		store,
		async [Symbol.asyncDispose]() {
			await store.close();
			await servers[Symbol.asyncDispose]();
		},
	};
}

const { candidate, artifact, stable } = factsOf("a");

/** What is rolled out needs no model here. */
const open = async () => ({ digest: candidate, artifact, close: async () => undefined });

withNats(
	"a candidate that is gone from the store costs nothing but itself: told of once, and served when it is there again",
	async (t) => {
		await using run = await openRun();
		const rollouts = (partition?: number) => run.store.openRollouts({ partition });
		const { blobs } = run.store;
		const facts = factsOf("a", 100);
		await (await rollouts()).replace(facts, 0);
		const store = await rollouts(0);
		await t.throwsAsync(Rollout.open({ store, stable: facts.stable, open }), { code: "PSGL_ROLLOUT_READ" });
		using rollout = await Rollout.open({ store, stable: facts.stable, open, patient: true });
		const codes: string[] = [];
		const change = new Condition();
		rollout.onChange = (_, __, error) => {
			if (error !== undefined) codes.push(error.code);
			change.notify();
		};
		await change.until(() => codes.length > 0);
		t.is(rollout.candidate, undefined);
		await blobs.put(`rollout/${facts.artifact}`, Uint8Array.of(1));
		// Another partition's counts are reason enough to look again.
		await (await rollouts(1)).writeDevices("a", () => new Map([["x", "trial" as const]]));
		await change.until(() => rollout.candidate !== undefined);
		t.deepEqual(codes, ["PSGL_ROLLOUT_READ"]);

		const fault = new Promise((resolve) => {
			rollout.onFault = resolve;
		});
		const served = { store: await rollouts(), stable: facts.candidate, open, ordersOnly: true };
		using finished = await Rollout.open(served);
		t.is(finished.status().phase, "none");
		t.like(await fault, { code: "PSGL_ROLLOUT_STABLE" }, "who serves the model before has to end");
	},
);

withNats(
	"a failure in each of two partitions is more than a tenth of what was told: both roll back by themselves",
	async (t) => {
		await using run = await openRun();
		const serve = async (partition?: number) =>
			Rollout.open({
				store: await run.store.openRollouts({ partition }),
				stable,
				open,
				ordersOnly: partition === undefined,
			});
		using one = await serve(0);
		using other = await serve(1);
		using desk = await serve();
		const change = new Condition();
		for (const each of [one, other, desk]) each.onChange = () => change.notify();
		await desk.start(Uint8Array.of(1), 100);
		await change.until(() => one.candidate !== undefined && other.candidate !== undefined);
		one.offered("x");
		other.offered("y");
		one.heard("x", candidate, "rejected");
		t.is(one.status().phase, "running", "one alone may have itself to blame");
		other.heard("y", candidate, "rejected");
		await change.until(() => [one, other, desk].every((each) => each.status().phase === "rolled-back"));
		for (const each of [one, other, desk]) {
			t.like(each.status(), { automatic: true, reason: "failed on 2 of 2 devices", failed: ["x", "y"] });
		}
		t.is(one.candidate ?? other.candidate, undefined);
		await t.throwsAsync(desk.start(Uint8Array.of(1), 1), { code: "PSGL_ROLLOUT_FAILED" });
		using next = await serve(1);
		t.deepEqual(next.status().failed, ["x", "y"], "also whoever owns a partition next");
	},
);
