import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { type Broker, type BrokerEvent, CertificateAuthority, cloudLimits, startBroker } from "@psgl/cloud";
import test, { type ExecutionContext } from "ava";
import mqtt, { type IClientOptions } from "mqtt";
import { WebSocket } from "ws";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const page = "https://ward.example";

/** A broker with both ports, and the refusals it reports. */
async function open(t: ExecutionContext, options: Parameters<typeof startBroker>[0] = {}) {
	const refusals: Error[] = [];
	const waiting: (() => void)[] = [];
	const onEvent = (event: BrokerEvent) => {
		if (event.type !== "refused") return;
		refusals.push(event.error);
		for (const wake of waiting.splice(0)) wake();
	};
	const broker = await startBroker({ port: 0, webSocket: { port: 0, origins: [page] }, ...options, onEvent });
	t.teardown(() => broker.close());
	const refusal = async (): Promise<Error> => {
		while (refusals.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
		return refusals.shift() as Error;
	};
	return { broker, refusal, url: broker.webSocketUrl as string };
}

async function client(t: ExecutionContext, url: string, clientId: string, options: IClientOptions = {}) {
	const opened = await mqtt.connectAsync(url, { clientId, clean: false, reconnectPeriod: 0, ...options });
	opened.on("error", () => undefined);
	t.teardown(() => opened.endAsync(true));
	return opened;
}

/** Opens a WebSocket; how it ended: `open`, the HTTP status it was refused with, or the code it was closed with. */
async function knock(url: string, protocols: string[], origin: string | undefined, first?: string | Buffer) {
	const socket = new WebSocket(url, protocols, { ...(origin !== undefined && { origin }) });
	socket.on("error", () => undefined);
	return new Promise<string | number>((resolve) => {
		socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
		socket.on("open", () => {
			if (first === undefined) {
				socket.terminate();
				resolve("open");
			} else socket.send(first);
		});
		socket.on("close", (code) => resolve(code));
	});
}

test("a client over WebSocket and one over TCP are clients of one broker, and what they send is in one log", async (t) => {
	const { broker, url } = await open(t);
	t.regex(url, /^ws:\/\/127\.0\.0\.1:\d+\/mqtt$/);
	const tablet = await client(t, url, "tablet");
	const pi = await client(t, broker.url, "pi");
	await tablet.publishAsync("psgl/1/tablet/up", "from the page", { qos: 1 });
	t.is(broker.log.end, 1, "in the log when it is acknowledged");
	await pi.publishAsync("psgl/1/pi/up", "from the pi", { qos: 1 });
	t.is(broker.log.end, 2);
	await tablet.subscribeAsync("psgl/1/tablet/down", { qos: 1 });
	const received = new Promise<Buffer>((resolve) => tablet.once("message", (_topic, payload) => resolve(payload)));
	t.true(await broker.send("tablet", Buffer.from("to the page")));
	t.is((await received).toString(), "to the page");
});

test("pages of the origins that are named get in, and programs that name none; other pages do not", async (t) => {
	const { url, refusal } = await open(t);
	t.is(await knock(url, ["mqtt"], page), "open");
	t.is(await knock(url, ["mqtt"], undefined), "open");
	t.is(await knock(url, ["mqtt"], "https://elsewhere.example"), 403);
	const error = await refusal();
	t.like(error, { code: "PSGL_BROKER_ORIGIN", got: "https://elsewhere.example", expected: page });
	const none = await open(t, { webSocket: { port: 0, origins: [] } });
	t.is(await knock(none.url, ["mqtt"], page), 403);
	t.is(await knock(url, ["mqtt"], `${page}.elsewhere.example`), 403);
	t.is(await knock(url, ["mqtt"], "null"), 403);
});

test("what is no MQTT over WebSocket is turned away by HTTP's own means", async (t) => {
	const { url, refusal } = await open(t);
	t.is(await knock(url.replace("/mqtt", "/other"), ["mqtt"], page), 404);
	t.like(await refusal(), { code: "PSGL_BROKER_WEB_SOCKET" });
	// [MQTT-6.0.0-3]
	t.is(await knock(url, ["chat"], page), 400);
	t.like(await refusal(), { code: "PSGL_BROKER_WEB_SOCKET" });
	const asked = request(url.replace("ws:", "http:")).end();
	const [response] = await once(asked, "response");
	t.is(response.statusCode, 426);
	response.resume();
	const { port } = new URL(url);
	const garbage = connectTcp(Number(port), "127.0.0.1");
	garbage.write("\x10\x0cno HTTP at all\r\n\r\n");
	garbage.resume();
	await once(garbage, "close");
	t.is(await knock(url, ["mqtt"], page), "open", "the next one is served");
});

test("text is no MQTT, and neither is a message larger than a packet may be", async (t) => {
	const { url, broker } = await open(t);
	// [MQTT-6.0.0-1]; 1003: cannot accept, 1009: too big, 1006: cut off.
	t.true([1003, 1006].includes((await knock(url, ["mqtt"], page, "hello")) as number));
	const large = Buffer.alloc(broker.maxMessageBytes + cloudLimits.packetOverheadBytes + 1);
	t.true([1009, 1006].includes((await knock(url, ["mqtt"], page, large)) as number));
	t.is(await knock(url, ["mqtt"], page), "open");
});

test("the byte guard stands before WebSocket clients too", async (t) => {
	const { url, refusal } = await open(t);
	// PUBLISH before CONNECT [MQTT-3.1.0-1].
	t.is(await knock(url, ["mqtt"], page, Buffer.from([0x30, 3, 0, 1, 0x61])), 1006);
	t.like(await refusal(), { code: "PSGL_BROKER_PACKET" });
});

test("a foreign topic is refused over WebSocket as over TCP", async (t) => {
	const { url, refusal } = await open(t);
	const tablet = await client(t, url, "tablet");
	const closed = new Promise<void>((resolve) => tablet.once("close", () => resolve()));
	tablet.publish("psgl/1/pi/up", "not mine", { qos: 1 });
	await closed;
	t.like(await refusal(), { code: "PSGL_BROKER_DENIED" });
});

test("a port that is in use is a typed error, and the other port is given back", async (t) => {
	const { url } = await open(t);
	const port = Number(new URL(url).port);
	await t.throwsAsync(startBroker({ port: 0, webSocket: { port, origins: [] } }), { code: "PSGL_PORT_IN_USE" });
});

test("with certificates it is wss, for devices with one of their own", async (t) => {
	const folder = await temporaryFolder(t);
	const ca = await CertificateAuthority.create(join(folder, "pki"), { name: "test", days: 1000 });
	await ca.issueBroker(["127.0.0.1"], 100);
	const tls = {
		certificate: await readFile(ca.files.brokerCertificate, "utf8"),
		key: await readFile(ca.files.brokerKey, "utf8"),
		authority: ca.certificatePem,
		revocationList: await readFile(ca.files.revocationList, "utf8"),
	};
	const { url, broker, refusal } = await open(t, { tls });
	t.regex(url, /^wss:/);
	const { certificate, key = "" } = await ca.issueDevice("tablet", { days: 10 });
	const tablet = await client(t, url, "tablet", { ca: ca.certificatePem, cert: certificate, key });
	await tablet.publishAsync("psgl/1/tablet/up", "hello", { qos: 1 });
	t.is((broker as Broker).log.end, 1);
	await t.throwsAsync(client(t, url, "stranger", { ca: ca.certificatePem }));
	t.truthy(await refusal());
	await t.throwsAsync(
		client(t, url, "pi", { ca: ca.certificatePem, cert: certificate, key }),
		undefined,
		"not its name",
	);
});
