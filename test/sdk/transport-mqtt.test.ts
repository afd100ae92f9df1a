import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { seededRandom, systemClock } from "@psgl/sdk";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import { Aedes, type AedesOptions, type Client } from "aedes";
import test from "ava";
import { createWebSocketStream, WebSocketServer } from "ws";
import { type TransportEnvironment, transportCompliance } from "./transport-compliance.js";

/** An aedes broker on a port of its own. */
async function startBroker(options: AedesOptions = {}): Promise<TransportEnvironment & { readonly url: string }> {
	const broker = await Aedes.createBroker(options);
	const clients: Client[] = [];
	let accepting = true;
	const server = createServer((socket) => {
		if (!accepting) socket.destroy();
		else clients.push(broker.handle(socket));
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
	return {
		url,
		open: (settings) => mqttTransport({ ...settings, url, clock: systemClock, random: seededRandom(1) }),
		cut: (clientId) => clients.findLast(({ id }) => id === clientId)?.conn.destroy(),
		accept(value) {
			accepting = value;
		},
		async [Symbol.asyncDispose]() {
			server.close();
			await new Promise<void>((resolve) => broker.close(resolve));
		},
	};
}

transportCompliance("mqtt", startBroker);
transportCompliance("mqtt over WebSocket", startWebSocketBroker);

/** The same over WebSocket (MQTT 3.1.1 section 6). */
async function startWebSocketBroker(): Promise<TransportEnvironment> {
	const broker = await Aedes.createBroker();
	const clients: Client[] = [];
	let accepting = true;
	const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "mqtt" });
	server.on("connection", (webSocket) => {
		if (!accepting) webSocket.terminate();
		else clients.push(broker.handle(createWebSocketStream(webSocket)));
	});
	await once(server, "listening");
	const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/mqtt`;
	return {
		open: (settings) => mqttTransport({ ...settings, url, clock: systemClock, random: seededRandom(1) }),
		cut: (clientId) => clients.findLast(({ id }) => id === clientId)?.conn.destroy(),
		accept(value) {
			accepting = value;
		},
		async [Symbol.asyncDispose]() {
			server.close();
			await new Promise<void>((resolve) => broker.close(resolve));
		},
	};
}

test("speaks MQTT 3.1.1, clean session off, QoS 1, with the last will and the credentials", async (t) => {
	const seen: unknown[] = [];
	await using broker = await startBroker({
		preConnect(_, packet, done) {
			const { protocolId, protocolVersion, clean, clientId, username, password, will } = packet;
			seen.push({
				protocol: `${protocolId} ${protocolVersion}`,
				clean,
				clientId,
				username,
				password: password?.toString(),
				will: { topic: will?.topic, payload: will?.payload.toString(), qos: will?.qos, retain: will?.retain },
			});
			done(null, true);
		},
		authorizePublish(_, { topic, qos, payload, retain }, done) {
			seen.push({ topic, qos, payload: payload.toString(), retain });
			done(null);
		},
		authorizeSubscribe(_, subscription, done) {
			seen.push({ filter: subscription.topic, qos: subscription.qos });
			done(null, subscription);
		},
	});
	await using transport = mqttTransport({
		url: broker.url,
		clientId: "ward-3",
		username: "ward-3",
		password: "secret",
		lastWill: { topic: "psgl/1/ward-3/status", payload: new TextEncoder().encode("gone"), retain: true },
		clock: systemClock,
		random: seededRandom(1),
	});
	await transport.subscribe("psgl/1/ward-3/down", () => {});
	await transport.connect();
	await transport.publish("psgl/1/ward-3/up", new TextEncoder().encode("hello"));
	t.deepEqual(seen, [
		{
			protocol: "MQTT 4",
			clean: false,
			clientId: "ward-3",
			username: "ward-3",
			password: "secret",
			will: { topic: "psgl/1/ward-3/status", payload: "gone", qos: 1, retain: true },
		},
		{ filter: "psgl/1/ward-3/down", qos: 1 },
		{ topic: "psgl/1/ward-3/up", qos: 1, payload: "hello", retain: false },
	]);
});

test("a broker that refuses the client ends the first connect at once", async (t) => {
	await using broker = await startBroker({
		authenticate(_client, _username, _password, done) {
			done(Object.assign(new Error("who are you"), { returnCode: 4 }), null);
		},
	});
	const transport = broker.open({ clientId: "stranger" });
	await t.throwsAsync(transport.connect(), { code: "PSGL_BROKER_REFUSED" });
	t.is(transport.state, "closed");
});

test("a refused subscription is an error, before and after the connection", async (t) => {
	await using broker = await startBroker({
		authorizeSubscribe(_, subscription, done) {
			done(null, subscription.topic === "psgl/1/mine/down" ? subscription : null);
		},
	});
	await using online = broker.open({ clientId: "online" });
	await online.subscribe("psgl/1/mine/down", () => {});
	await online.connect();
	await t.throwsAsync(
		online.subscribe("psgl/1/yours/down", () => {}),
		{ code: "PSGL_SUBSCRIBE_REFUSED" },
	);
	t.is(online.state, "online");
	const early = broker.open({ clientId: "early" });
	await early.subscribe("psgl/1/yours/down", () => {});
	await t.throwsAsync(early.connect(), { code: "PSGL_SUBSCRIBE_REFUSED" });
});

for (const url of ["localhost:1883", "http://localhost", "mqtt://", ""]) {
	test(`refuses the URL "${url}"`, (t) => {
		t.throws(() => mqttTransport({ url, clientId: "a", clock: systemClock, random: seededRandom(1) }), {
			code: "PSGL_BROKER_URL",
		});
	});
}

test("no secret of the URL is in an error", async (t) => {
	const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	const transport = mqttTransport({
		url: `mqtt://ward-3:secret@127.0.0.1:${port}`,
		clientId: "ward-3",
		connectDeadlineMs: 20,
		clock: systemClock,
		random: seededRandom(1),
	});
	const error = await t.throwsAsync(transport.connect(), { code: "PSGL_BROKER_UNREACHABLE" });
	t.true(error?.message.includes(`127.0.0.1:${port}`));
	t.false(error?.message.includes("secret"));
	server.close();
});
