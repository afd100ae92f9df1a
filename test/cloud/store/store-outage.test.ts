import { artifactDigest, blobCheckpoints, createMemoryBlobStore, ownPartitions, RunStore } from "@psgl/cloud";
import { ConnectionError, type PsglError, type Runtime } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { NatsServers } from "../../helpers/nats-servers.js";
import { withPrograms } from "../../helpers/outside-program.js";
import { smallModel } from "../../helpers/small-model.js";

const withNats = withPrograms("nats-server");

const unanswered = () => new ConnectionError("PSGL_STORE_TIMEOUT", { what: "the store did not answer" });

test("a checkpoint that the store does not take in time is one that cannot be written: the run goes on without it", async (t) => {
	await using blobs = createMemoryBlobStore();
	let isAway = true;
	const away = new Proxy(blobs, {
		get(target, name) {
			if (name === "put" && isAway) return () => Promise.reject(unanswered());
			const member: unknown = Reflect.get(target, name);
			return typeof member === "function" ? member.bind(target) : member;
		},
	});
	const checkpoints = await blobCheckpoints({ blobs: away, prefix: "p0", epoch: 1 });
	await t.throwsAsync(checkpoints.write(Uint8Array.of(1)), { code: "PSGL_CHECKPOINT_WRITE" });
	isAway = false;
	await checkpoints.write(Uint8Array.of(2));
	for await (const bytes of checkpoints.read()) t.deepEqual(new Uint8Array(bytes), Uint8Array.of(2));
});

withNats(
	"a store that does not answer, and a log that an owner before let go of, take a partition from its owner, who stands by and gets it again; what is gone for good ends it",
	async (t) => {
		await using servers = await NatsServers.start();
		const { joint: artifact } = await smallModel();
		const digest = await artifactDigest(artifact);
		await using store = await RunStore.open({ servers: servers.urls, artifact: digest, leaseMs: 1000 });
		await using ingress = await store.openLog(0);
		for (let i = 0; i < 3; i++) await ingress.append(Uint8Array.of(0));
		const { streams } = store.link.manager;
		const purge = () => streams.purge("psgl-p0", { keep: 1 });
		/** Owns the partition; `meanwhile` happens while it is opened, after its log's bounds are known, with each graph that is loaded. */
		const own = (meanwhile: () => Promise<unknown> | undefined, signal: AbortSignal) => {
			const lost: (string | undefined)[] = [];
			const runtime: Runtime = {
				...nodeRuntime,
				async load(...options) {
					await meanwhile();
					return nodeRuntime.load(...options);
				},
			};
			let onOwned: () => void = () => undefined;
			const owned = new Promise<void>((resolve) => {
				onOwned = resolve;
			});
			const ended = ownPartitions({
				store,
				aggregator: () => ({ artifact, runtime, settings: { rounds: 0 } }),
				onOwned,
				onLost: (_, error: PsglError | undefined) => lost.push(error?.code),
				signal,
			});
			return { owned, ended, lost };
		};
		const stop = new AbortController();
		const steps = [() => Promise.reject(unanswered()), purge];
		const first = own(() => steps.shift()?.(), stop.signal);
		await Promise.race([first.owned, first.ended]);
		t.deepEqual(first.lost, ["PSGL_STORE_TIMEOUT", "PSGL_LOG_RELEASED"]);
		stop.abort();
		await first.ended;
		for (let i = 0; i < 3; i++) await ingress.append(Uint8Array.of(0));
		const again = new AbortController();
		t.teardown(() => again.abort());
		await t.throwsAsync(own(purge, again.signal).ended, { code: "PSGL_LOG_RELEASED" });
	},
);
