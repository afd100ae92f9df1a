import { readFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { type Broker, CertificateAuthority, startBroker } from "@psgl/cloud";
import { type Clock, type CompleteKit, ConnectionError, Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import mqtt, { type MqttClient } from "mqtt";
import { ManualClock } from "../helpers/manual-clock.js";
import { brokerFiles, tlsBroker } from "../helpers/tls-broker.js";

const day = 86_400_000;

type KitChanges = { readonly [K in keyof CompleteKit]?: CompleteKit[K] | undefined };

async function kitOf(ca: CertificateAuthority, broker: Broker, id: string): Promise<CompleteKit> {
	const { certificate, key = "" } = await ca.issueDevice(id, { days: 10 });
	return { format: 1, id, url: broker.url, authority: ca.certificatePem, certificate, key };
}

function connect(t: ExecutionContext, kit: CompleteKit, clientId = kit.id): MqttClient {
	const client = mqtt.connect(kit.url, {
		clientId,
		clean: false,
		reconnectPeriod: 0,
		ca: kit.authority,
		...(kit.key !== undefined && { cert: kit.certificate, key: kit.key }),
	});
	client.on("error", () => undefined);
	t.teardown(() => client.endAsync(true));
	return client;
}

const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once("close", () => resolve()));
const connected = (client: MqttClient) => new Promise<void>((resolve) => client.once("connect", () => resolve()));

test("a device with its kit gets in, over TLS 1.3", async (t) => {
	const { ca, broker } = await tlsBroker(t);
	t.regex(broker.url, /^mqtts:\/\/127\.0\.0\.1:\d+$/);
	const kit = await kitOf(ca, broker, "ward-3");
	await using device = await Device.connect({ kit, runtime: nodeRuntime });
	t.is(device.id, "ward-3");
	t.true(broker.isConnected("ward-3"));
	const socket = connectTls({
		host: broker.host,
		port: broker.port,
		ca: kit.authority,
		cert: kit.certificate,
		key: kit.key,
	});
	t.teardown(() => socket.destroy());
	await new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()));
	t.is(socket.getProtocol(), "TLSv1.3");
});

test("no certificate, one of another authority, an expired one and one from the future are refused, each with its reason", async (t) => {
	const { folder, ca, broker, refusal } = await tlsBroker(t);
	const kit = await kitOf(ca, broker, "ward-3");
	const authorityAt = async (name: string, clock: Clock) =>
		CertificateAuthority.open(ca.files.folder, { clock }).then((each) => each.issueDevice(name, { days: 10 }));
	const other = await CertificateAuthority.create(join(folder, "other"), { name: "test", days: 10 });
	const foreign = await other.issueDevice("ward-4", { days: 5 });
	const expired = await authorityAt("ward-5", new ManualClock(Date.now() - 30 * day));
	const early = await authorityAt("ward-6", new ManualClock(Date.now() + 30 * day));
	const cases: [KitChanges, RegExp][] = [
		[{ key: undefined }, /no certificate that names a device/],
		[
			{ certificate: foreign.certificate, key: foreign.key },
			/ward-4: its certificate (is from another authority|was changed)/,
		],
		[{ certificate: expired.certificate, key: expired.key }, /ward-5: its certificate has expired/],
		[{ certificate: early.certificate, key: early.key }, /ward-6: its certificate is not valid yet/],
		[await brokerAsDevice(ca), /psgl broker: its certificate is not one of a device/],
	];
	for (const [changes, reason] of cases) {
		const client = connect(t, { ...kit, ...changes } as CompleteKit, "ward-9");
		const gone = closed(client);
		const error = await refusal();
		t.like(error, { code: "PSGL_BROKER_CERTIFICATE" });
		t.regex(error.message, reason);
		await gone;
	}
	await connected(connect(t, kit));
	t.pass("everyone else is served");
});

async function brokerAsDevice({ files }: CertificateAuthority): Promise<KitChanges> {
	return { certificate: await readFile(files.brokerCertificate, "utf8"), key: await readFile(files.brokerKey, "utf8") };
}

test("a client id that is not the certificate's name is refused", async (t) => {
	const { ca, broker, refusal } = await tlsBroker(t);
	const kit = await kitOf(ca, broker, "ward-3");
	const code = new Promise<number | undefined>((resolve) => {
		connect(t, kit, "ward-4").on("packetreceive", (packet) => packet.cmd === "connack" && resolve(packet.returnCode));
	});
	t.is(await code, 5, "not authorised, MQTT 3.1.1 section 3.2.2.3");
	t.like(await refusal(), { code: "PSGL_BROKER_WRONG_NAME", got: "ward-4", expected: "ward-3" });
	t.false(broker.isConnected("ward-4"));
});

test("plain MQTT and TLS 1.2 do not get through the handshake", async (t) => {
	const { ca, broker, refusal } = await tlsBroker(t);
	const kit = await kitOf(ca, broker, "ward-3");
	const plain = connectTcp(broker.port, broker.host);
	t.teardown(() => plain.destroy());
	// CONNECT of MQTT 3.1.1
	plain.write(Buffer.from("100c00044d5154540402003c0000", "hex"));
	t.like(await refusal(), { code: "PSGL_BROKER_TLS" });
	const { authority: authorityPem, certificate, key } = kit;
	const old = connectTls({
		host: broker.host,
		port: broker.port,
		ca: authorityPem,
		cert: certificate,
		key,
		maxVersion: "TLSv1.2",
	});
	old.on("error", () => undefined);
	t.teardown(() => old.destroy());
	t.like(await refusal(), { code: "PSGL_BROKER_TLS" });
});

test("a device refuses a broker of another authority", async (t) => {
	const { folder, ca, broker } = await tlsBroker(t);
	const other = await CertificateAuthority.create(join(folder, "other"), { name: "other", days: 10 });
	const kit = { ...(await kitOf(ca, broker, "ward-3")), authority: other.certificatePem };
	await t.throwsAsync(Device.connect({ kit, runtime: nodeRuntime, connectDeadlineMs: 300 }), {
		code: "PSGL_BROKER_UNREACHABLE",
		message: /certificate|self-signed/,
	});
});

test("clocks that are months apart: the device refuses the broker with the reason; hours apart they do", async (t) => {
	const { ca, broker } = await tlsBroker(t);
	const kit = await kitOf(ca, broker, "ward-3");
	const renewAt = async (shiftMs: number) => {
		const clock = new ManualClock(Date.now() + shiftMs);
		await (await CertificateAuthority.open(ca.files.folder, { clock })).issueBroker(["127.0.0.1"], 10);
		await broker.renewTls(await brokerFiles(ca));
	};
	for (const [days, message] of [
		[60, /not yet valid/],
		[-60, /expired/],
	] as const) {
		await renewAt(days * day);
		const error = await t.throwsAsync(Device.connect({ kit, runtime: nodeRuntime, connectDeadlineMs: 300 }), {
			instanceOf: ConnectionError,
			code: "PSGL_BROKER_UNREACHABLE",
			message,
		});
		t.regex(error.remedy ?? "", /Set this machine's clock/);
	}
	for (const days of [0.9, -0.9]) {
		await renewAt(days * day);
		await connected(connect(t, kit));
	}
});

test("a revoked device is disconnected and stays out; the others stay", async (t) => {
	const { ca, broker, refusal } = await tlsBroker(t);
	const lost = await kitOf(ca, broker, "ward-3");
	const kept = await kitOf(ca, broker, "ward-4");
	const client = connect(t, lost);
	const other = connect(t, kept);
	await Promise.all([connected(client), connected(other)]);
	await ca.revoke("ward-3", "lost");
	const gone = closed(client);
	await broker.renewTls(await brokerFiles(ca));
	t.regex((await refusal()).message, /ward-3: its certificate [0-9a-f]{32} is revoked/);
	await gone;
	const goneAgain = closed(connect(t, lost));
	t.regex((await refusal()).message, /is revoked/);
	await goneAgain;
	t.true(other.connected);
	await connected(connect(t, await kitOf(ca, broker, "ward-3")));
	t.pass("a new kit lets the device in again");
});

test("a renewed broker certificate is taken up; files that do not fit together are not", async (t) => {
	const { ca, broker } = await tlsBroker(t);
	const kit = await kitOf(ca, broker, "ward-3");
	const fingerprint = async () => {
		const socket = connectTls({
			host: broker.host,
			port: broker.port,
			ca: kit.authority,
			cert: kit.certificate,
			key: kit.key,
		});
		await new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()));
		const { fingerprint256 } = socket.getPeerCertificate();
		socket.destroy();
		return fingerprint256;
	};
	const before = await fingerprint();
	const old = await brokerFiles(ca);
	await ca.issueBroker(["127.0.0.1"], 200);
	const renewed = await brokerFiles(ca);
	await t.throwsAsync(broker.renewTls({ ...renewed, key: old.key }), { code: "PSGL_TLS_FILES" });
	t.is(await fingerprint(), before);
	const stranger = await CertificateAuthority.create(join(ca.files.folder, "other"), { name: "x", days: 5 });
	const { revocationList } = await listOf(stranger);
	await t.throwsAsync(broker.renewTls({ ...renewed, revocationList }), {
		code: "PSGL_TLS_FILES",
		message: /not signed/,
	});
	await broker.renewTls(renewed);
	t.not(await fingerprint(), before);
});

async function listOf({ files }: CertificateAuthority) {
	return { revocationList: await readFile(files.revocationList, "utf8") };
}

test("plain MQTT is for loopback only, unless somebody says otherwise", async (t) => {
	for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
		await t.throwsAsync(startBroker({ host, port: 0 }), { code: "PSGL_PLAIN_OUTSIDE_LOOPBACK" });
	}
	for (const host of ["127.0.0.1", "localhost", "127.0.0.2"]) {
		const broker = await startBroker({ host, port: 0 });
		await broker.close();
	}
	const broker = await startBroker({ host: "0.0.0.0", port: 0, plainOutsideLoopback: true });
	await broker.close();
	t.pass();
});
