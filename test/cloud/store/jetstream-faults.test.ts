import { type AddressInfo, createServer, type Socket } from "node:net";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import {
	cloudLimits,
	giveOrder,
	type Log,
	NatsLink,
	openJetStreamBlobStore,
	openJetStreamLeases,
	openJetStreamLog,
	RunStore,
	type RunStoreOptions,
	StoreDownlink,
	StoreExchange,
} from "@psgl/cloud";
import { ConfigError, ConnectionError, DataError, LimitError, type PsglError, systemClock } from "@psgl/sdk";
import test, { type ExecutionContext } from "ava";
import { Child } from "../../helpers/child.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { NatsServers } from "../../helpers/nats-servers.js";
import { withPrograms } from "../../helpers/outside-program.js";

const withNats = withPrograms("nats-server");

/** A server of the test's own, and a link to it. */
async function setUp(t: ExecutionContext) {
	const servers = await NatsServers.start();
	const link = await NatsLink.open({ servers: servers.urls, client: "test" });
	t.teardown(async () => {
		await link.close();
		await servers[Symbol.asyncDispose]();
	});
	return { servers, link };
}

async function codeOf(
	t: ExecutionContext,
	failing: Promise<unknown>,
	kind: new (...args: never[]) => PsglError,
): Promise<string | undefined> {
	const error = await t.throwsAsync(failing as Promise<never>, { instanceOf: kind as never });
	return (error as PsglError | undefined)?.code;
}

async function everything(log: Log): Promise<number[]> {
	const values: number[] = [];
	for await (const { position, bytes } of log.read(log.start)) {
		values.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
		if (position === log.end - 1) break;
	}
	return values;
}

const numbered = (i: number) => {
	const bytes = new Uint8Array(500);
	new DataView(bytes.buffer).setUint32(0, i);
	return bytes;
};

test("a store that nobody answers for, or that is too old, is refused with a code", async (t) => {
	const silent = createServer();
	const old = createServer((socket) => {
		socket.write(`INFO {"server_id":"x","version":"2.8.4","max_payload":1048576,"proto":1,"jetstream":true}\r\n`);
		socket.on("data", (data) => data.includes("PING") && socket.write("PONG\r\n"));
		socket.on("error", () => undefined);
	});
	const url = async (server: typeof silent) => {
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		t.teardown(() => server.close());
		return `nats://127.0.0.1:${(server.address() as { port: number }).port}`;
	};
	const gone = await url(silent);
	await new Promise((resolve) => silent.close(resolve));
	const open = (server: string, tlsFolder?: string) => NatsLink.open({ servers: [server], client: "test", tlsFolder });
	t.is(await codeOf(t, open(gone), ConnectionError), "PSGL_STORE_UNREACHABLE");
	t.is(await codeOf(t, open(gone, "/no/such/folder"), ConnectionError), "PSGL_STORE_UNREACHABLE");
	const error = await t.throwsAsync(open(await url(old)), { instanceOf: ConfigError });
	t.like(error, { code: "PSGL_STORE_VERSION", got: "version 2.8.4", expected: "2.9.0 or later" });
});

test("storeConnectMs, storeCallMs, storeStartMs: servers that take a connection and say nothing, or have no JetStream, are given up", async (t) => {
	const url = async (onData: (socket: Socket) => void) => {
		const server = createServer((socket) => {
			socket.on("error", () => undefined);
			// The client that gave up keeps its end open.
			t.teardown(() => socket.destroy());
			onData(socket);
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		t.teardown(() => server.close());
		return `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
	};
	const mute = await url((socket) => socket.resume());
	const connecting = codeOf(t, NatsLink.open({ servers: [mute], client: "test" }), ConnectionError);
	const deaf = await url((socket) => {
		socket.write(`INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"proto":1,"jetstream":true}\r\n`);
		socket.on("data", (data) => data.includes("PING") && socket.write("PONG\r\n"));
	});
	const clock = new ManualClock();
	let code: string | undefined;
	const opening = codeOf(t, NatsLink.open({ servers: [deaf], client: "test", clock }), ConnectionError);
	void opening.then((found) => {
		code = found;
	});
	// The first call goes unanswered for its own time; then the clock moves.
	while (clock.sleeping === 0) await clock.advance(0);
	t.is(code, undefined);
	await clock.advance(cloudLimits.storeStartMs);
	t.is(await opening, "PSGL_STORE_TIMEOUT");
	t.is(await connecting, "PSGL_STORE_UNREACHABLE");
});

withNats("storeSendMs, storeAnswerMs: a message that an ingress neither takes nor refuses is given up", async (t) => {
	const { link } = await setUp(t);
	const asked: number[] = [];
	link.connection.subscribe("psgl.run.down.ward-3", { callback: () => void asked.push(1) });
	const downlink = new StoreDownlink(link, "run", new AbortController().signal);
	t.false(await downlink.send("ward-3", Uint8Array.of(1)));
	t.is(asked.length, cloudLimits.storeSendMs / cloudLimits.storeAnswerMs, "asked again meanwhile");
	t.false(await downlink.send("nobody", Uint8Array.of(1)));
});

withNats("orderMs: an order that a partition's owner does not follow in time is given up by name", async (t) => {
	const { link } = await setUp(t);
	link.connection.subscribe("psgl.run.orders.0", { callback: () => undefined });
	const order = { run: "run", partition: 0, order: "checkpoint" } as const;
	const error = await t.throwsAsync<PsglError>(giveOrder(link, order), { code: "PSGL_API_CONFLICT" });
	t.regex(error?.message ?? "", /did not answer in time/);
});

withNats("mergeTimeoutMs: a partition merges without another that does not come", async (t) => {
	await using servers = await NatsServers.start();
	await using store = await RunStore.open({ servers: servers.urls, artifact: "a".repeat(64), partitions: 2 });
	const clock = new ManualClock();
	const exchange = (await StoreExchange.open({ store, partition: 0, clock })) as StoreExchange;
	const place = { round: 1, leg: 0, last: false };
	const merging = exchange.exchange(place, 10, Uint8Array.of(1, 2, 3), new AbortController().signal);
	let merged = false;
	void merging.then(() => {
		merged = true;
	});
	while (!merged) await clock.advance(cloudLimits.mergePollMs);
	t.true(clock.now() >= cloudLimits.mergeTimeoutMs);
	const parts = await merging;
	t.deepEqual(
		parts.map(({ partition }) => partition),
		[0],
	);
});

withNats(
	"servers killed again and again while entries are appended: nothing that was safe is lost, nothing is there twice",
	async (t) => {
		const { servers, link } = await setUp(t);
		await using log = await openJetStreamLog({ link, name: "log", run: "run" });
		const positions: number[] = [];
		let stop = false;
		let appended = () => {};
		const appending = Array.from({ length: 4 }, async (_, worker) => {
			for (let i = worker; !stop; i += 4) {
				positions[i] = await log.append(numbered(i));
				appended();
			}
		});
		for (let kill = 0; kill < 3; kill++) {
			for (let more = 0; more < 100; more++) {
				await new Promise<void>((resolve) => {
					appended = resolve;
				});
			}
			await servers.kill();
			await servers.run();
		}
		stop = true;
		await Promise.all(appending);
		const values = await everything(log);
		t.is(new Set(values).size, values.length, "nothing twice");
		t.is(values.length, positions.filter((position) => position !== undefined).length);
		positions.forEach((position, i) => {
			t.is(values[position], i);
		});
	},
);

withNats("a reader that waits goes on when its server comes back", async (t) => {
	const { servers, link } = await setUp(t);
	await using log = await openJetStreamLog({ link, name: "log", run: "run" });
	await log.append(numbered(0));
	const reading = (async () => {
		const values: number[] = [];
		for await (const { bytes } of log.read(0)) {
			values.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
			if (values.length === 3) return values;
		}
		return values;
	})();
	await log.append(numbered(1));
	await servers.kill();
	await servers.run();
	await log.append(numbered(2));
	t.deepEqual(await reading, [0, 1, 2]);
});

withNats("a reader whose link is closed, or was turned away for good, ends with a code", async (t) => {
	const { servers } = await setUp(t);
	for (const close of [
		(link: NatsLink) => link.close(),
		// As the client does when servers do not take it any more.
		(link: NatsLink) => link.connection.close(),
	]) {
		await using link = await NatsLink.open({ servers: servers.urls, client: "closed" });
		const log = await openJetStreamLog({
			link,
			name: "closed",
			run: "a".repeat(64),
		});
		await log.append(numbered(0));
		const entries = log.read(log.start)[Symbol.asyncIterator]();
		await entries.next();
		const waiting = entries.next();
		await close(link);
		t.is(await codeOf(t, waiting, ConnectionError), "PSGL_LOG_CLOSED");
		t.true(link.isClosed);
	}
});

withNats("a reader gets through a long log with one consumer, and over what a consumer lost on its way", async (t) => {
	const { link } = await setUp(t);
	await using log = await openJetStreamLog({ link, name: "log", run: "run" });
	const count = 250;
	await Promise.all(Array.from({ length: count }, (_, i) => log.append(numbered(i))));
	const consumers = async () => (await link.manager.consumers.list("log").next()).map(({ name }) => name);
	const reader = log.read(0)[Symbol.asyncIterator]();
	const values: number[] = [];
	const read = async () => {
		const { bytes } = (await reader.next()).value as { bytes: Uint8Array };
		values.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
	};
	while (values.length < count) await read();
	const [consumer = "", ...more] = await consumers();
	t.deepEqual(more, [], "none was given up because nothing came any more");
	const waiting = read();
	// Takes one of the reader's messages, as a connection that breaks does.
	const thief = await (await link.jetStream.consumers.get("log", consumer)).fetch({ max_messages: 1, expires: 5000 });
	const stolen = thief[Symbol.asyncIterator]().next();
	for (let i = count; i < count + 4; i++) await log.append(numbered(i));
	t.false((await stolen).done);
	await waiting;
	while (values.length < count + 4) await read();
	t.deepEqual(
		[...values].sort((a, b) => a - b),
		Array.from({ length: count + 4 }, (_, i) => i),
	);
	await reader.return?.();
});

withNats("a stream of another run, or made with another configuration, is refused and left as it is", async (t) => {
	const { link } = await setUp(t);
	await (await openJetStreamLog({ link, name: "log", run: "a" })).close();
	t.is(await codeOf(t, openJetStreamLog({ link, name: "log", run: "b" }), ConfigError), "PSGL_JOURNAL_OTHER_RUN");
	await link.manager.streams.add({ name: "other", subjects: ["psgl.other.>"], description: "a", max_age: 1e12 });
	const error = await t.throwsAsync(openJetStreamLog({ link, name: "other", run: "a" }), { instanceOf: ConfigError });
	t.like(error, { code: "PSGL_STORE_CONFIG", expected: '"new"' });
	t.is(
		await codeOf(t, openJetStreamLog({ link, name: "three", run: "a", replicas: 3 }), ConfigError),
		"PSGL_STORE_REFUSED",
	);
	await new Kvm(link.jetStream).create("t-leases", { ttl: 777_000 });
	t.is(await codeOf(t, openJetStreamLeases({ link, name: "t" }), ConfigError), "PSGL_STORE_CONFIG");
});

withNats(
	"two clouds with one name: another model, other partitions or another lease is refused before anything is made; the same run stands by, and takes over",
	async (t) => {
		const { servers, link } = await setUp(t);
		const open = (more: Partial<RunStoreOptions> = {}) =>
			RunStore.open({ servers: servers.urls, name: "ward", artifact: "a", leaseMs: 1000, ...more });
		await using first = await open();
		await using log = await first.openLog(0, 1);
		const lease = await first.leases.acquire("partition-0");
		const state = async () => {
			const streams = await link.manager.streams.list().next();
			return streams.map(({ config, state: { last_seq } }) => [config.name, config.description, last_seq]);
		};
		const before = await state();
		for (const other of [{ artifact: "b" }, { partitions: 3 }]) {
			t.is(await codeOf(t, open(other), ConfigError), "PSGL_JOURNAL_OTHER_RUN");
		}
		t.is(await codeOf(t, open({ name: "ward-p0" }), ConfigError), "PSGL_STORE_NAME");
		const isLease = ([name]: unknown[]) => name === "KV_ward-leases";
		const others = (all: unknown[][]) => all.filter((each) => !isLease(each));
		t.deepEqual(others(await state()), others(before), "nothing was made, nothing was written");
		t.is(await codeOf(t, open({ leaseMs: 9000 }), ConfigError), "PSGL_STORE_CONFIG");
		await using second = await open();
		t.is(await codeOf(t, second.leases.acquire("partition-0"), ConfigError), "PSGL_LEASE_HELD");
		t.is(await log.append(numbered(1), { asOwner: true }), 1, "the first goes on");
		const next = second.leases.acquire("partition-0", { wait: true });
		await lease.release();
		t.true((await next).epoch > lease.epoch);

		const racing = await Promise.allSettled([
			open({ name: "new", artifact: "c" }),
			open({ name: "new", artifact: "d" }),
		]);
		const winners = racing.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
		const losers = racing.flatMap((each) => (each.status === "rejected" ? [each.reason.code] : []));
		t.deepEqual(
			[winners.length, losers],
			[1, ["PSGL_JOURNAL_OTHER_RUN"]],
			"of two that begin at a time one has the name",
		);
		await winners[0]?.close();
	},
);

withNats(
	"a full store refuses an entry with the code that makes the broker turn the device away, and takes it later",
	async (t) => {
		const { link } = await setUp(t);
		await using log = await openJetStreamLog({ link, name: "log", run: "run" });
		await log.append(numbered(0));
		await link.manager.streams.update("log", { max_bytes: 900 });
		t.is(await codeOf(t, log.append(numbered(1)), LimitError), "PSGL_JOURNAL_FULL");
		await link.manager.streams.update("log", { max_bytes: -1 });
		t.is(await log.append(numbered(1)), 1);
		const large = log.append(new Uint8Array(512 * 1024 + 1));
		t.is(await codeOf(t, large, LimitError), "PSGL_LOG_ENTRY_TOO_LARGE");
		t.is(await log.append(new Uint8Array(512 * 1024)), 2);
	},
);

withNats("an owner that another has followed cannot write any more; entries of devices still go in", async (t) => {
	const { link } = await setUp(t);
	const claim = new Uint8Array([0]);
	await using first = await openJetStreamLog({ link, name: "log", run: "run", claim });
	t.is(first.openedAt, 0);
	t.is(await first.append(new Uint8Array([0, 1]), { asOwner: true }), 1);
	await using second = await openJetStreamLog({ link, name: "log", run: "run", claim });
	t.is(second.openedAt, 2);
	t.is(await codeOf(t, first.append(new Uint8Array([0, 2]), { asOwner: true }), ConnectionError), "PSGL_LEASE_LOST");
	t.is(await first.append(numbered(1)), 3);
	t.is(await second.append(new Uint8Array([0, 3]), { asOwner: true }), 4);
	t.is(second.id, first.id);
});

withNats(
	"a holder that is paused until another has its lease finds out when it wakes up, and cannot write",
	async (t) => {
		const { servers, link } = await setUp(t);
		await using holder = new Child("lease-process.js", ["nats", servers.urls[0] as string]);
		const { epoch } = await holder.next<{ epoch: number }>("held");
		process.kill(holder.pid, "SIGSTOP");
		await using leases = await openJetStreamLeases({ link, name: "test", leaseMs: 1000 });
		await using lease = await leases.acquire("one", { wait: true });
		t.true(lease.epoch > epoch);
		await using log = await openJetStreamLog({ link, name: "test-log", run: "run", claim: new Uint8Array([0]) });
		const { end } = log;
		process.kill(holder.pid, "SIGCONT");
		holder.send("write");
		t.like(await holder.next("refused"), { code: "PSGL_LEASE_LOST", lost: "PSGL_LEASE_LOST" });
		t.false(lease.lost.aborted);
		const { state } = await link.manager.streams.info("test-log");
		t.is(state.last_seq, end, "nothing was written");
	},
);

withNats("a lease outlives its server being away for longer than it lasts, and a stolen one is noticed", async (t) => {
	const { servers, link } = await setUp(t);
	await using leases = await openJetStreamLeases({ link, name: "t", leaseMs: 1000 });
	await using lease = await leases.acquire("one");
	await servers.kill();
	await systemClock.sleep(1500);
	await servers.run();
	const keys = await new Kvm(link.jetStream).open("t-leases", { bindOnly: true });
	for (let revision = 0; revision <= lease.epoch; ) {
		revision = (await keys.get("one").catch(() => null))?.revision ?? 0;
	}
	t.false(lease.lost.aborted);
	const lost = new Promise((resolve) => lease.lost.addEventListener("abort", resolve));
	await keys.put("one", "thief");
	await lost;
	t.like(lease.lost.reason, { code: "PSGL_LEASE_LOST" });
});

withNats("blobs that nobody removed outlive the end of all servers, whatever was replaced before", async (t) => {
	await using servers = await NatsServers.start(3);
	await using link = await NatsLink.open({ servers: servers.urls, client: "test" });
	await using blobs = await openJetStreamBlobStore({ link, name: "t", replicas: 3 });
	const bytes = new Uint8Array(150_000).fill(7);
	await blobs.put("stays", bytes);
	for (let i = 0; i < 3; i++) await blobs.put("changes", new Uint8Array(1000).fill(i));
	const objects = await new Objm(link.jetStream).open("t-blobs");
	t.is((await objects.list()).length, 2, "nothing is left of what was replaced");
	await servers.killAll();
	await Promise.all(servers.urls.map((_, i) => servers.run(i)));
	t.deepEqual(await blobs.get("stays"), bytes);
	t.deepEqual(await blobs.get("changes"), new Uint8Array(1000).fill(2));
});

withNats(
	"blobShardBytes and blobTimeoutMs, set lower: a blob with a missing object, other bytes, or a store that does not answer is refused with its code",
	async (t) => {
		const { servers, link } = await setUp(t);
		await using blobs = await openJetStreamBlobStore({ link, name: "t", shardBytes: 1000, timeoutMs: 4000 });
		const bytes = Uint8Array.from({ length: 3500 }, (_, i) => i);
		await blobs.put("weights", bytes);
		t.deepEqual(await blobs.get("weights"), bytes);
		const objects = await new Objm(link.jetStream).open("t-blobs");
		const names = (await objects.list()).map(({ name }) => name).sort();
		t.is(names.length, 4, "in shards");
		await objects.putBlob({ name: names[1] as string }, new Uint8Array(1000));
		t.is(await codeOf(t, blobs.get("weights"), DataError), "PSGL_BLOB_DAMAGED");
		await objects.delete(names[1] as string);
		t.is(await codeOf(t, blobs.get("weights"), DataError), "PSGL_BLOB_MISSING");
		await blobs.put("weights", bytes.subarray(0, 1500));
		t.deepEqual(await blobs.get("weights"), bytes.subarray(0, 1500));
		t.is((await objects.list()).filter(({ deleted }) => !deleted).length, 2, "what it replaced is removed");
		await servers.kill();
		await using hasty = await (async () => {
			await servers.run();
			return openJetStreamBlobStore({ link, name: "t", timeoutMs: 300 });
		})();
		await servers.kill();
		t.is(await codeOf(t, hasty.get("weights"), ConnectionError), "PSGL_STORE_TIMEOUT");
	},
);
