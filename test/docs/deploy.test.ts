import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
	CertificateAuthority,
	NatsLink,
	openJetStreamBlobStore,
	openJetStreamLeases,
	openJetStreamLog,
} from "@psgl/cloud";
import { ConnectionError } from "@psgl/sdk";
import test, { type ExecutionContext } from "ava";
import { NatsServers } from "../helpers/nats-servers.js";
import { withPrograms } from "../helpers/outside-program.js";
import { projectFolder } from "../helpers/run-cli.js";
import { runProgram } from "../helpers/run-program.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const deploy = join(projectFolder, "deploy");
const withNats = withPrograms("nats-server");

/** Certificates for a server and for psgl, each in a folder as nats.conf and --store-tls have them. */
async function certificates(t: ExecutionContext) {
	const folder = await temporaryFolder(t);
	const ca = await CertificateAuthority.create(join(folder, "pki"), { name: "test", days: 100 });
	await ca.issueBroker(["127.0.0.1", "localhost"], 10);
	const write = async (certificate: string, key: string) => {
		const into = await temporaryFolder(t);
		await writeFile(join(into, "ca.pem"), ca.certificatePem);
		await writeFile(join(into, "cert.pem"), certificate);
		await writeFile(join(into, "key.pem"), key);
		return into;
	};
	const { files } = ca;
	const server = await write(await readFile(files.brokerCertificate, "utf8"), await readFile(files.brokerKey, "utf8"));
	const client = async (name: string) => {
		const { certificate, key = "" } = await ca.issueDevice(name, { days: 10 });
		return write(certificate, key);
	};
	return { server, cloud: await client("psgl-cloud"), stranger: await client("somebody") };
}

withNats(
	"deploy/nats/nats.conf is what nats-server takes, and gives psgl what it needs and a stranger nothing",
	async (t) => {
		const { server, cloud, stranger } = await certificates(t);
		const text = await readFile(join(deploy, "nats", "nats.conf"), "utf8");
		const store = await temporaryFolder(t);
		const local = text.replaceAll("/etc/nats/tls", server).replace("/var/lib/nats", store).replace("100GB", "1GB");
		const file = join(store, "nats.conf");
		await writeFile(file, local);
		const { PATH } = process.env;
		const env = { ...process.env, NATS_NAME: "nats-1", PATH: `${PATH}:/usr/sbin` };
		const checked = await runProgram("nats-server", ["-t", "-c", file], { env });
		t.regex(checked.stderr, /configuration file .* is valid/);

		// One server alone: with the cluster it would wait for the other two.
		const alone = local
			.replace(/cluster \{[\s\S]*?\n\}\n/, "")
			.replace("0.0.0.0:4222", "LISTEN")
			.replace(/^http: .*$/m, "")
			.replace("$NATS_NAME", "nats-1");
		await using servers = await NatsServers.start(1, alone);
		const address = (servers.urls[0] as string).replace("nats://", "tls://");
		const link = await NatsLink.open({ servers: [address], client: "test", tlsFolder: cloud });
		const log = await openJetStreamLog({ link, name: "run-p0", run: "x", claim: new Uint8Array([0]) });
		t.is(await log.append(new Uint8Array([9])), 1);
		const leases = await openJetStreamLeases({ link, name: "run" });
		await (await leases.acquire("partition-0")).release();
		const blobs = await openJetStreamBlobStore({ link, name: "run" });
		await blobs.put("p0/model", new Uint8Array(100_000));
		t.is((await blobs.get("p0/model"))?.length, 100_000);
		t.is((await blobs.list("p0/")).length, 1);
		for await (const { position } of log.read(0)) if (position === 1) break;
		await link.close();
		const refused = NatsLink.open({ servers: [address], client: "test", tlsFolder: stranger });
		const error = await t.throwsAsync(refused, { instanceOf: ConnectionError });
		t.is(error?.code, "PSGL_STORE_UNREACHABLE");
	},
);

test("units, manifests and variables name options of psgl cloud that exist", async (t) => {
	const schema = JSON.parse(await readFile(join(projectFolder, "docs", "config.schema.json"), "utf8")) as {
		readonly properties: { readonly cloud: { readonly properties: Readonly<Record<string, unknown>> } };
	};
	const keys = Object.keys(schema.properties.cloud.properties);
	const variables = new Set(
		keys.map((key) => `PSGL_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`),
	);
	const flags = new Set(keys.map((key) => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`));
	let found = 0;
	for (const file of await readdir(deploy, { recursive: true, withFileTypes: true })) {
		if (!file.isFile()) continue;
		const text = await readFile(join(file.parentPath, file.name), "utf8");
		for (const [variable] of text.matchAll(/\bPSGL_[A-Z_]+\b/g)) {
			found++;
			t.true(variables.has(variable), `${file.name}: ${variable}`);
		}
		for (const line of text.split("\n").filter((each) => /(psgl cloud|\[cloud|"cloud").*--/.test(each))) {
			for (const [flag] of line.matchAll(/--[a-z-]+/g)) t.true(flags.has(flag), `${file.name}: ${flag}`);
		}
	}
	t.true(found > 10);
});
