import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CertificateAuthority, type DeviceCredentials } from "@psgl/cloud";
import type { ExecutionContext } from "ava";
import { ManualClock } from "../helpers/manual-clock.js";
import { Mosquitto } from "../helpers/mosquitto.js";
import { withPrograms } from "../helpers/outside-program.js";
import { brokerFiles, tlsBroker } from "../helpers/tls-broker.js";

// What is denied, asked for by clients of another make (Eclipse Mosquitto), with their own TLS.

const test = withPrograms("mosquitto_pub", "mosquitto_sub");
const day = 86_400_000;

/** A broker with certificates, and mosquitto's clients for it. */
async function open(t: ExecutionContext) {
	const opened = await tlsBroker(t);
	const { folder, ca, broker, refusals } = opened;
	const authority = join(folder, "ca.pem");
	await writeFile(authority, ca.certificatePem);
	/** Options that connect as `id`, with the certificate `of` somebody. */
	const as = async (id: string, of?: DeviceCredentials): Promise<readonly string[]> => {
		const { certificate, key = "" } = of ?? (await ca.issueDevice(id, { days: 10, renew: true }));
		const [certificateFile, keyFile] = [join(folder, `${id}.pem`), join(folder, `${id}.key`)];
		await Promise.all([writeFile(certificateFile, certificate), writeFile(keyFile, key)]);
		const link = ["-h", broker.host, "-p", String(broker.port), "-V", "mqttv311", "-i", id];
		return [...link, "--cafile", authority, "--cert", certificateFile, "--key", keyFile];
	};
	const publish = (who: readonly string[], topic: string, ...more: readonly string[]) =>
		new Mosquitto(t, "mosquitto_pub", [
			...who,
			"-q",
			"1",
			"-t",
			topic,
			...(more.includes("-m") ? [] : ["-m", "text"]),
			...more,
		]);
	const subscribe = (who: readonly string[], topic: string, ...more: readonly string[]) =>
		new Mosquitto(t, "mosquitto_sub", [...who, "-q", "1", "-t", topic, ...more]);
	/** Everyone else is served: another device publishes, and nothing of it is refused. */
	const served = async () => {
		const before = broker.log.end;
		const { code, output } = await publish(await as("ward-9"), "psgl/1/ward-9/up").ended();
		t.is(code, 0, output);
		t.is(broker.log.end, before + 1);
	};
	/** Takes the refusal a client brings about, ends the client, and sees that each connection had one. */
	const refusedOnce = async (client: Mosquitto) => {
		const error = await opened.refusal();
		const { output } = await client.stop();
		t.true(refusals.every((more) => more.error.code === error.code));
		// The client may have tried again, on another port.
		t.is(new Set(refusals.map(({ peer }) => peer)).size, refusals.length);
		refusals.length = 0;
		return { error, output };
	};
	return { ...opened, as, publish, subscribe, served, refusedOnce };
}

test("a device publishes on its own topics and receives on its own", async (t) => {
	const { broker, as, publish, subscribe, refusals } = await open(t);
	const ward3 = await as("ward-3");
	t.is((await publish(ward3, "psgl/1/ward-3/up").ended()).code, 0);
	t.is((await publish(ward3, "psgl/1/ward-3/status", "-r").ended()).code, 0);
	const reader = subscribe(ward3, "psgl/1/ward-3/down", "-d", "-C", "1");
	t.true(await reader.prints("Subscribed"));
	t.true(await broker.send("ward-3", Buffer.from("for ward-3")));
	const { code, output } = await reader.ended();
	t.is(code, 0);
	t.true(output.includes("for ward-3"));
	t.deepEqual(refusals, []);
});

test("publishing elsewhere, at another quality of service, or a long status ends the connection, told once", async (t) => {
	const { broker, as, publish, refusedOnce, served } = await open(t);
	const ward3 = await as("ward-3");
	const cases: readonly (readonly [code: string, topic: string, ...more: string[]])[] = [
		["PSGL_BROKER_DENIED", "psgl/1/ward-4/up"],
		["PSGL_BROKER_DENIED", "psgl/1/ward-4/status", "-r"],
		["PSGL_BROKER_DENIED", "psgl/1/ward-4/down"],
		["PSGL_BROKER_DENIED", "psgl/1/ward-3/down"],
		["PSGL_BROKER_DENIED", "$SYS/broker/uptime"],
		["PSGL_BROKER_DENIED", "anything", "-r"],
		["PSGL_BROKER_QOS", "psgl/1/ward-3/up", "-q", "0"],
		["PSGL_BROKER_QOS", "psgl/1/ward-3/up", "-q", "2"],
		["PSGL_BROKER_STATUS_TOO_LARGE", "psgl/1/ward-3/status", "-r", "-m", "garbage".repeat(200)],
	];
	for (const [code, topic, ...more] of cases) {
		const { error } = await refusedOnce(publish(ward3, topic, ...more));
		t.is(error.code, code, topic);
	}
	t.is(broker.log.end, 0);
	await served();
});

test("wildcards, $SYS and other devices' topics are refused in SUBACK, each told once", async (t) => {
	const { as, subscribe, refusals, served } = await open(t);
	const ward3 = await as("ward-3");
	for (const filter of ["#", "psgl/1/+/down", "psgl/1/#", "$SYS/#", "psgl/1/ward-4/down", "psgl/1/ward-3/up"]) {
		const { output } = await subscribe(ward3, filter).ended();
		t.regex(output, /denied/i, filter);
		const [refused, ...more] = refusals.splice(0);
		t.like(refused?.error, { code: "PSGL_BROKER_DENIED", got: filter });
		t.deepEqual(more, []);
	}
	await served();
});

test("a last will on a foreign topic and a name that is not the certificate's are refused in CONNACK", async (t) => {
	const { ca, as, publish, refusedOnce, served, broker } = await open(t);
	const ward3 = await as("ward-3");
	const will = ["--will-topic", "psgl/1/ward-4/status", "--will-payload", "gone"];
	const foreignWill = await refusedOnce(await heard(publish(ward3, "psgl/1/ward-3/up", ...will)));
	t.is(foreignWill.error.code, "PSGL_BROKER_DENIED");
	const other = await as("ward-4", await ca.issueDevice("ward-3", { days: 10, renew: true }));
	const wrongName = await refusedOnce(await heard(publish(other, "psgl/1/ward-4/up")));
	t.is(wrongName.error.code, "PSGL_BROKER_WRONG_NAME");
	t.is(broker.log.end, 0);
	await served();

	async function heard(client: Mosquitto): Promise<Mosquitto> {
		t.true(await client.prints("not authorised"));
		return client;
	}
});

test("certificates that are revoked, expired, not valid yet or of another authority are refused, each with its reason", async (t) => {
	const { folder, ca, broker, as, publish, refusedOnce, served } = await open(t);
	const at = async (shiftMs: number) => {
		const clock = new ManualClock(Date.now() + shiftMs);
		return (await CertificateAuthority.open(ca.files.folder, { clock })).issueDevice("ward-3", {
			days: 10,
			renew: true,
		});
	};
	const expired = await at(-30 * day);
	const early = await at(30 * day);
	const stranger = await CertificateAuthority.create(join(folder, "other"), { name: "other", days: 10 });
	const foreign = await stranger.issueDevice("ward-3", { days: 5 });
	const revoked = await ca.issueDevice("ward-5", { days: 10 });
	await ca.revoke("ward-5", "lost");
	await broker.renewTls(await brokerFiles(ca));
	const cases = [
		["ward-3", expired, /has expired/],
		["ward-3", early, /not valid yet/],
		["ward-3", foreign, /another authority|signed by itself/],
		["ward-5", revoked, /is revoked/],
	] as const;
	for (const [id, credentials, reason] of cases) {
		const { error } = await refusedOnce(publish(await as(id, credentials), `psgl/1/${id}/up`));
		t.is(error.code, "PSGL_BROKER_CERTIFICATE");
		t.regex(error.message, reason);
	}
	t.is(broker.log.end, 0);
	await served();
});

test("a second connection of the same id takes the place of the first, told once", async (t) => {
	const { broker, as, subscribe, refusal, refusals, served } = await open(t);
	const ward3 = await as("ward-3");
	const first = subscribe(ward3, "psgl/1/ward-3/down", "-d");
	t.true(await first.prints("Subscribed"));
	// It would come back and take the place in its turn.
	first.freeze();
	const second = subscribe(ward3, "psgl/1/ward-3/down", "-d", "-C", "1");
	t.like(await refusal(), { code: "PSGL_BROKER_REPLACED" });
	t.true(await second.prints("Subscribed"));
	await broker.send("ward-3", Buffer.from("for the second"));
	t.true((await second.ended()).output.includes("for the second"));
	t.true(refusals.length <= 1);
	await served();
});
