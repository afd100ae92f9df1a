import type { LastWill, Transport, TransportEvent } from "@psgl/sdk";
import { type ExecutionContext, default as test } from "ava";

export interface TransportSettings {
	readonly clientId: string;
	readonly lastWill?: LastWill;
	readonly connectDeadlineMs?: number;
}

/** A broker of its own for one test. */
export interface TransportEnvironment extends AsyncDisposable {
	open(settings: TransportSettings): Transport;
	/** Cuts a client's connection without a farewell. */
	cut(clientId: string): void;
	/** False: new connections fail. */
	accept(accepting: boolean): void;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (content: string) => new TextEncoder().encode(content);

/** Resolves with the next event of a type. */
export function nextEvent<T extends TransportEvent["type"]>(
	transport: Transport,
	type: T,
): Promise<Extract<TransportEvent, { type: T }>> {
	return new Promise((resolve) => {
		const stop = transport.on((event) => {
			if (event.type !== type) return;
			stop();
			resolve(event as Extract<TransportEvent, { type: T }>);
		});
	});
}

/** Collects what arrives; `count(n)` resolves when there are n. */
class Inbox {
	readonly received: string[] = [];
	#wanted = Number.POSITIVE_INFINITY;
	#enough = () => {};

	readonly handler = ({ topic, payload }: { topic: string; payload: Uint8Array }) => {
		this.received.push(`${topic} ${text(payload)}`);
		if (this.received.length >= this.#wanted) this.#enough();
	};

	async count(wanted: number): Promise<string[]> {
		if (this.received.length < wanted) {
			await new Promise<void>((resolve) => {
				this.#wanted = wanted;
				this.#enough = resolve;
			});
		}
		return this.received;
	}
}

/** What every transport does. */
export function transportCompliance(name: string, start: () => Promise<TransportEnvironment>): void {
	const check = (title: string, body: (t: ExecutionContext, env: TransportEnvironment) => Promise<void>) => {
		test(`${name}: ${title}`, async (t) => {
			await using env = await start();
			await body(t, env);
		});
	};

	check("delivers bytes in order to exact and wildcard filters", async (t, env) => {
		await using sender = env.open({ clientId: "sender" });
		await using receiver = env.open({ clientId: "receiver" });
		const exact = new Inbox();
		const wild = new Inbox();
		await receiver.subscribe("psgl/1/a/up", exact.handler);
		await Promise.all([sender.connect(), receiver.connect()]);
		await receiver.subscribe("psgl/1/+/down", wild.handler);
		t.is(receiver.state, "online");
		const numbers = Array.from({ length: 50 }, (_, i) => String(i));
		await Promise.all(
			numbers.flatMap((n) => [sender.publish("psgl/1/a/up", bytes(n)), sender.publish("psgl/1/b/down", bytes(n))]),
		);
		await sender.publish("psgl/1/b/up", bytes("not subscribed"));
		t.deepEqual(
			await exact.count(50),
			numbers.map((n) => `psgl/1/a/up ${n}`),
		);
		t.deepEqual(
			await wild.count(50),
			numbers.map((n) => `psgl/1/b/down ${n}`),
		);
	});

	check("keeps a retained message for a later subscriber", async (t, env) => {
		await using sender = env.open({ clientId: "sender" });
		await sender.connect();
		await sender.publish("psgl/1/a/status", bytes("old"), { retain: true });
		await sender.publish("psgl/1/a/status", bytes("new"), { retain: true });
		await using late = env.open({ clientId: "late" });
		await late.connect();
		const message = await new Promise<{ payload: Uint8Array; retained: boolean }>((resolve) => {
			void late.subscribe("psgl/1/+/status", resolve);
		});
		t.is(text(message.payload), "new");
		t.true(message.retained);
	});

	check("publishes the last will when a link is cut, not when it is closed", async (t, env) => {
		await using watcher = env.open({ clientId: "watcher" });
		const inbox = new Inbox();
		await watcher.subscribe("psgl/1/+/status", inbox.handler);
		await watcher.connect();
		const will = (device: string) => ({ topic: `psgl/1/${device}/status`, payload: bytes("offline"), retain: true });
		const polite = env.open({ clientId: "polite", lastWill: will("polite") });
		await polite.connect();
		await polite.close();
		t.is(polite.state, "closed");
		await using torn = env.open({ clientId: "torn", lastWill: will("torn") });
		await torn.connect();
		env.cut("torn");
		t.deepEqual(await inbox.count(1), ["psgl/1/torn/status offline"]);
	});

	check("receives after a reconnect what came while it was away", async (t, env) => {
		await using sender = env.open({ clientId: "sender" });
		await using receiver = env.open({ clientId: "receiver" });
		const inbox = new Inbox();
		await receiver.subscribe("psgl/1/a/down", inbox.handler);
		await Promise.all([sender.connect(), receiver.connect()]);
		env.accept(false);
		const offline = nextEvent(receiver, "offline");
		env.cut("receiver");
		await offline;
		t.is(receiver.state, "offline");
		for (const n of ["1", "2", "3"]) await sender.publish("psgl/1/a/down", bytes(n));
		const online = nextEvent(receiver, "online");
		env.accept(true);
		t.true((await online).sessionPresent);
		t.deepEqual(await inbox.count(3), ["psgl/1/a/down 1", "psgl/1/a/down 2", "psgl/1/a/down 3"]);
	});

	check("sends after a reconnect what was published while it was away", async (t, env) => {
		await using sender = env.open({ clientId: "sender" });
		await using receiver = env.open({ clientId: "receiver" });
		const inbox = new Inbox();
		await receiver.subscribe("psgl/1/a/up", inbox.handler);
		await Promise.all([sender.connect(), receiver.connect()]);
		env.accept(false);
		const retry = nextEvent(sender, "retry");
		env.cut("sender");
		const { attempt, delayMs } = await retry;
		t.is(attempt, 1);
		t.true(delayMs >= 0 && delayMs <= 250);
		const acknowledged = Promise.all(["1", "2", "3"].map((n) => sender.publish("psgl/1/a/up", bytes(n))));
		env.accept(true);
		await acknowledged;
		t.deepEqual(await inbox.count(3), ["psgl/1/a/up 1", "psgl/1/a/up 2", "psgl/1/a/up 3"]);
	});

	check("a new process with the same client id takes over the session", async (t, env) => {
		await using sender = env.open({ clientId: "sender" });
		await sender.connect();
		const first = env.open({ clientId: "device" });
		await first.subscribe("psgl/1/a/down", () => {});
		await first.connect();
		await first.close();
		await sender.publish("psgl/1/a/down", bytes("kept"));
		await using second = env.open({ clientId: "device" });
		const inbox = new Inbox();
		await second.subscribe("psgl/1/a/down", inbox.handler);
		const online = nextEvent(second, "online");
		await second.connect();
		t.true((await online).sessionPresent);
		t.deepEqual(await inbox.count(1), ["psgl/1/a/down kept"]);
	});

	check("handlers run one after the other, may publish, and may fail", async (t, env) => {
		await using client = env.open({ clientId: "client" });
		await using echo = env.open({ clientId: "echo" });
		const inbox = new Inbox();
		let running = 0;
		await client.subscribe("psgl/1/a/down", inbox.handler);
		await echo.subscribe("psgl/1/a/up", async ({ payload }) => {
			t.is(++running, 1);
			if (text(payload) === "2") {
				running--;
				throw new Error("handler of 2");
			}
			await echo.publish("psgl/1/a/down", payload);
			running--;
		});
		await Promise.all([client.connect(), echo.connect()]);
		const failed = nextEvent(echo, "handler-failed");
		for (const n of ["1", "2", "3"]) await client.publish("psgl/1/a/up", bytes(n));
		t.deepEqual(await inbox.count(2), ["psgl/1/a/down 1", "psgl/1/a/down 3"]);
		t.is(((await failed).error as Error).message, "handler of 2");
	});

	check("an aborted publish is not sent later", async (t, env) => {
		await using sender = env.open({ clientId: "sender" });
		await using receiver = env.open({ clientId: "receiver" });
		const inbox = new Inbox();
		await receiver.subscribe("psgl/1/a/up", inbox.handler);
		await receiver.connect();
		const stop = new AbortController();
		const aborted = sender.publish("psgl/1/a/up", bytes("aborted"), { signal: stop.signal });
		const kept = sender.publish("psgl/1/a/up", bytes("kept"));
		stop.abort(new Error("changed my mind"));
		await t.throwsAsync(aborted, { message: "changed my mind" });
		await sender.connect();
		await kept;
		t.deepEqual(await inbox.count(1), ["psgl/1/a/up kept"]);
	});

	check("close rejects what waits and everything after it", async (t, env) => {
		env.accept(false);
		const transport = env.open({ clientId: "a" });
		const connecting = transport.connect();
		const publishing = transport.publish("psgl/1/a/up", bytes("never"));
		await Promise.all([
			t.throwsAsync(connecting, { code: "PSGL_TRANSPORT_CLOSED" }),
			t.throwsAsync(publishing, { code: "PSGL_TRANSPORT_CLOSED" }),
			transport.close(),
		]);
		await t.throwsAsync(transport.publish("psgl/1/a/up", bytes("x")), { code: "PSGL_TRANSPORT_CLOSED" });
		await t.throwsAsync(
			transport.subscribe("psgl/1/a/down", () => {}),
			{ code: "PSGL_TRANSPORT_CLOSED" },
		);
		await t.throwsAsync(transport.connect(), { code: "PSGL_TRANSPORT_CLOSED" });
		await transport.close();
	});

	check("the first connect gives up at its deadline", async (t, env) => {
		env.accept(false);
		const transport = env.open({ clientId: "a", connectDeadlineMs: 50 });
		await t.throwsAsync(transport.connect(), { code: "PSGL_BROKER_UNREACHABLE" });
		t.is(transport.state, "closed");
	});

	check("connect can be aborted", async (t, env) => {
		env.accept(false);
		const transport = env.open({ clientId: "a" });
		const stop = new AbortController();
		const connecting = transport.connect({ signal: stop.signal });
		await nextEvent(transport, "retry");
		stop.abort(new Error("enough"));
		await t.throwsAsync(connecting, { message: "enough" });
		t.is(transport.state, "closed");
	});
}
