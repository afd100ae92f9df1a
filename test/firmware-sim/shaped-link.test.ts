import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type LinkModel, linkModels, ShapedLink } from "@psgl/firmware-sim";
import { seededRandom } from "@psgl/sdk";
import test, { type ExecutionContext } from "ava";
import { ManualClock } from "../helpers/manual-clock.js";

const plain: LinkModel = { ...linkModels.wifi, latencyMs: 100, jitterMs: 0, loss: 0, duty: undefined };

/** A device and a server at the ends of a shaped link, on a clock that stands still. */
async function ends(t: ExecutionContext, model: LinkModel, compression = 1) {
	const clock = new ManualClock();
	const server = createServer();
	server.listen({ host: "127.0.0.1", port: 0 });
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	const wire = { up: 0, down: 0 };
	const link = await ShapedLink.start({
		port,
		model,
		random: seededRandom(1),
		clock,
		compression,
		onBytes: (direction, bytes) => {
			wire[direction] += bytes;
		},
	});
	const device = connect({ host: "127.0.0.1", port: Number(new URL(link.url).port) });
	device.on("error", () => undefined);
	t.teardown(async () => {
		device.destroy();
		await link.close();
		server.close();
	});
	return { clock, server, link, device, wire };
}

/** Reads until `length` bytes are there. */
async function read(socket: Socket, length: number): Promise<Buffer> {
	const parts: Buffer[] = [];
	let have = 0;
	while (have < length) {
		const [part] = (await once(socket, "data")) as [Buffer];
		parts.push(part);
		have += part.length;
	}
	return Buffer.concat(parts);
}

/** Waits until the link holds something back. */
async function held(clock: ManualClock): Promise<void> {
	while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve));
}

test("bytes arrive whole and in order, not before the link's time has come, in both directions", async (t) => {
	const { clock, server, device, wire } = await ends(t, plain);
	const [broker] = (await once(server, "connection")) as [Socket];
	let early = 0;
	const count = (bytes: Buffer) => {
		early += bytes.length;
	};
	broker.on("data", count);
	device.write("hello");
	await held(clock);
	await clock.advance(99);
	t.is(early, 0, "latency is 100 ms");
	broker.off("data", count);
	const arrived = read(broker, 5);
	await clock.advance(2);
	t.is((await arrived).toString(), "hello");
	t.is(wire.up, 5 + 52);
	broker.write("world");
	await held(clock);
	const back = read(device, 5);
	await clock.advance(101);
	t.is((await back).toString(), "world");
	t.is(wire.down, 5 + 52);
});

test("a link that was killed carries nothing, and the broker is not told", async (t) => {
	const { clock, server, link, device } = await ends(t, plain);
	const [broker] = (await once(server, "connection")) as [Socket];
	let got = 0;
	broker.on("data", (bytes: Buffer) => {
		got += bytes.length;
	});
	let closed = false;
	broker.on("close", () => {
		closed = true;
	});
	device.write("lost");
	await held(clock);
	link.kill();
	await clock.advance(1000);
	const ended = once(device, "close");
	device.destroy();
	await ended;
	const again = connect({ host: "127.0.0.1", port: Number(new URL(link.url).port) });
	t.teardown(() => again.destroy());
	const [second] = (await once(server, "connection")) as [Socket];
	const arrived = read(second, 3);
	again.write("new");
	await held(clock);
	await clock.advance(200);
	t.is((await arrived).toString(), "new", "a connection made afterwards is alive");
	t.is(got, 0);
	t.false(closed);
});

test("between passes there is no connection, and one that outlives its pass is dead", async (t) => {
	const model = { ...plain, duty: { upMs: 600_000, periodMs: 5_400_000 } };
	const { clock, server, device, link } = await ends(t, model, 1000);
	// Passes of 0.6 s every 5.4 s; the seed decides where in the period the clock starts.
	await once(device, "close");
	await clock.advance(0);
	let through = 0;
	for (let i = 0; i < 54; i++) {
		await clock.advance(100);
		const decided = new AbortController();
		const attempt = connect({ host: "127.0.0.1", port: Number(new URL(link.url).port) });
		attempt.on("error", () => undefined);
		const wait = { signal: decided.signal };
		const reached = once(server, "connection", wait).then(
			() => true,
			() => false,
		);
		const refused = once(attempt, "close", wait).then(
			() => false,
			() => false,
		);
		if (await Promise.race([reached, refused])) through++;
		decided.abort();
		attempt.destroy();
	}
	t.is(through, 6, "a ninth of the time");
});
