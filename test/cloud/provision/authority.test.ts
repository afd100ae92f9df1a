import { execFile } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CertificateAuthority, newRequest } from "@psgl/cloud";
import test from "ava";
import { ManualClock } from "../../helpers/manual-clock.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

const day = 86_400_000;

async function authority(folder: string, clock?: ManualClock): Promise<CertificateAuthority> {
	return CertificateAuthority.create(join(folder, "pki"), { name: "test", days: 100, clock });
}

test("certificates are signed by the authority, for their purpose, name and time", async (t) => {
	const ca = await authority(await temporaryFolder(t));
	await ca.issueBroker(["cloud.example", "10.0.0.5"], 50);
	const { certificate, key } = await ca.issueDevice("ward-3", { days: 20 });
	const root = new X509Certificate(ca.certificatePem);
	const broker = new X509Certificate(await readFile(ca.files.brokerCertificate));
	const device = new X509Certificate(certificate);
	t.true(root.ca);
	t.true(broker.checkIssued(root) && broker.verify(root.publicKey));
	t.true(device.checkIssued(root) && device.verify(root.publicKey));
	t.is(broker.checkHost("cloud.example"), "cloud.example");
	t.is(broker.checkIP("10.0.0.5"), "10.0.0.5");
	t.is(broker.checkHost("other.example"), undefined);
	t.is(device.subject, "CN=ward-3");
	t.deepEqual([broker.ca, device.ca], [false, false]);
	t.deepEqual([broker.keyUsage, device.keyUsage], [["1.3.6.1.5.5.7.3.1"], ["1.3.6.1.5.5.7.3.2"]], "server and client");
	t.true(device.checkPrivateKey(createPrivateKey(key as string)));
	const lifetime = (Date.parse(device.validTo) - Date.now()) / day;
	t.true(Math.abs(lifetime - 20) < 0.1);
	t.true(Date.parse(device.validFrom) < Date.now() - 0.9 * day, "a clock that is a day slow will do");
});

test("private keys are for their owner only, and no half-written file stays", async (t) => {
	const ca = await authority(await temporaryFolder(t));
	await ca.issueBroker(["localhost"], 50);
	for (const file of [ca.files.key, ca.files.brokerKey]) t.is((await stat(file)).mode & 0o777, 0o600, file);
	t.is((await stat(ca.files.folder)).mode & 0o777, 0o700);
	t.deepEqual(
		(await readdir(ca.files.folder)).filter((name) => name.endsWith(".part")),
		[],
	);
});

test("a device that made its own key gets a certificate of it, and nobody else does", async (t) => {
	const ca = await authority(await temporaryFolder(t));
	const own = await newRequest("ward-3");
	await t.throwsAsync(ca.issueDevice("ward-4", { days: 10, request: own.request }), { code: "PSGL_PKI_REQUEST" });
	const { certificate, key } = await ca.issueDevice("ward-3", { days: 10, request: own.request });
	t.is(key, undefined);
	t.true(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(own.key)));
	await t.throwsAsync(ca.issueDevice("ward-5", { days: 10, request: "hello" }), { code: "PSGL_PKI_REQUEST" });
	const lines = own.request.split("\n");
	const body = Buffer.from(lines.slice(1, -2).join(""), "base64");
	body[body.length - 8] = (body[body.length - 8] as number) ^ 1;
	const forged = `${lines[0]}\n${body.toString("base64")}\n${lines.at(-2)}\n`;
	await t.throwsAsync(ca.issueDevice("ward-3", { days: 10, request: forged, renew: true }), {
		code: "PSGL_PKI_REQUEST",
		message: /signature/,
	});
});

test("a request by OpenSSL will do, one of another kind of key will not", async (t) => {
	const folder = await temporaryFolder(t);
	const ca = await authority(folder);
	const openssl = (options: string) => promisify(execFile)("openssl", options.split(" "), { cwd: folder });
	const version = await openssl("version").catch(() => undefined);
	if (version === undefined) return void t.pass("openssl is not installed");
	await openssl(
		"req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout p256.key -out p256.csr -subj /CN=ward-3",
	);
	await openssl("req -new -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.csr -subj /CN=ward-4");
	const { certificate } = await ca.issueDevice("ward-3", {
		days: 10,
		request: await readFile(join(folder, "p256.csr"), "utf8"),
	});
	await writeFile(join(folder, "ward-3.crt"), certificate);
	const verified = await openssl(`verify -purpose sslclient -CAfile ${ca.files.certificate} ward-3.crt`);
	t.regex(verified.stdout, /OK/);
	await openssl(`crl -in ${ca.files.revocationList} -CAfile ${ca.files.certificate} -noout`);
	const rsa = await readFile(join(folder, "rsa.csr"), "utf8");
	await t.throwsAsync(ca.issueDevice("ward-4", { days: 10, request: rsa }), { message: /P-256/ });
});

test("one certificate a device until it is renewed, revoked or expired", async (t) => {
	const clock = new ManualClock(Date.UTC(2030, 0, 1));
	const ca = await authority(await temporaryFolder(t), clock);
	const first = await ca.issueDevice("ward-3", { days: 10 });
	await t.throwsAsync(ca.issueDevice("ward-3", { days: 10 }), { code: "PSGL_PKI_ISSUED" });
	const second = await ca.issueDevice("ward-3", { days: 20, renew: true });
	t.deepEqual(
		(await ca.list()).map(({ serial }) => serial),
		[first.serial, second.serial],
	);
	const revoked = await ca.revoke("ward-3", "lost");
	t.deepEqual(
		revoked.map(({ serial }) => serial),
		[first.serial, second.serial],
	);
	await t.throwsAsync(ca.revoke("ward-3", "again"), { code: "PSGL_PKI_UNKNOWN" });
	const third = await ca.issueDevice("ward-3", { days: 5 });
	await clock.advance(6 * day);
	const fourth = await ca.issueDevice("ward-3", { days: 5 });
	t.not(fourth.serial, third.serial);
	t.like(
		(await ca.list()).find(({ serial }) => serial === first.serial),
		{ revoked: { reason: "lost" } },
	);
	const long = await ca.issueDevice("ward-9", { days: 5000 });
	t.true(long.notAfter.getTime() <= Date.UTC(2030, 0, 1) + 100 * day, "no longer than the authority's own");
});

test("what is written is found again; an authority is not overwritten", async (t) => {
	const folder = await temporaryFolder(t);
	const ca = await authority(folder);
	const { serial } = await ca.issueDevice("ward-3", { days: 10 });
	await ca.revoke("ward-3", "lost");
	const again = await CertificateAuthority.open(ca.files.folder);
	t.like((await again.list())[0], { device: "ward-3", serial, revoked: { reason: "lost" } });
	await t.throwsAsync(authority(folder), { code: "PSGL_PKI_EXISTS" });
	await t.throwsAsync(CertificateAuthority.open(join(folder, "none")), { code: "PSGL_PKI_MISSING" });
	await writeFile(
		join(ca.files.issued, `${serial}.crt`),
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	);
	await t.throwsAsync(again.list(), { code: "PSGL_PKI_DAMAGED" });
	await writeFile(ca.files.key, "no key");
	await t.throwsAsync(CertificateAuthority.open(ca.files.folder), { code: "PSGL_PKI_DAMAGED" });
});
