import { createPrivateKey, createPublicKey } from "node:crypto";
import { unlinkSync, writeFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AuditTrail, CertificateAuthority, decodeEntry, encodeEntry, trailFiles, verifyTrail } from "@psgl/cloud";
import { parseStartUpKit } from "@psgl/sdk";
import { ManualClock } from "../../helpers/manual-clock.js";
import type { FuzzTarget } from "../fuzz-target.js";
import { mutateText } from "../mutate-tree.js";
import { type Mutation, mutations, pick, replaced } from "../mutations.js";
import { clear, scratchFolder } from "./scratch-folder.js";

const pem = (label: string, base64 = "QUJD".repeat(16)) =>
	`-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;

/** A request for ward-3, made once: a case has to come out the same each time. */
const request = [
	"MIHMMHMCAQAwETEPMA0GA1UEAxMGd2FyZC0zMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExmxszISRTKhyXXlXgR+unwOo",
	"XXHk2iqLm6MzZrrKu/s53Hlo++8mHfak72eDS+GtCPInCm40riP9WX2IlQjHiKAAMAoGCCqGSM49BAMCA0kAMEYCIQC5IwdT",
	"GQDbcrcsOnsJH4Wh4tPGcfnpVVJtrQzNQw5T+wIhAMyeYJtMnDZ2wLMejjWWxjtpwGnYZAsQvG5gnUT2uZuk",
].join("");

/** Key of RFC 8032 section 7.1, test 1, as PKCS #8. */
const trailKey = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

/** A device's start-up kit. */
export async function kitTarget(): Promise<FuzzTarget> {
	const kit = {
		format: 1,
		id: "ward-3",
		url: "mqtts://cloud.example:8883",
		authority: pem("CERTIFICATE"),
		certificate: pem("CERTIFICATE"),
		key: pem("PRIVATE KEY"),
	};
	const signatures = [{ key: "0".repeat(64), signature: "0".repeat(128) }];
	const root = { document: '{"format":1}', signatures };
	return {
		seeds: [kit, { ...kit, root }].map((each) => Buffer.from(JSON.stringify(each))),
		mutations: [mutateText],
		read: (bytes) => parseStartUpKit(Buffer.from(bytes).toString()),
	};
}

/** An entry of the log as a device's message makes it. */
export async function logEntryTarget(): Promise<FuzzTarget> {
	const payload = Buffer.from("payload");
	return {
		seeds: (["up", "status", "down"] as const).map((channel) => encodeEntry({ device: "ward-3", channel, payload })),
		read: (bytes) => decodeEntry(bytes),
	};
}

/** A request for a certificate, as a device brings it. */
export async function requestTarget(): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	const authority = await CertificateAuthority.create(join(scratch.folder, "pki"), { name: "fuzz", days: 100 });
	return {
		seeds: [Buffer.from(pem("CERTIFICATE REQUEST", request))],
		mutations: [changeEncoded],
		async read(bytes) {
			const text = Buffer.from(bytes).toString();
			const { serial } = await authority.issueDevice("ward-3", { days: 1, request: text });
			// Each case starts from an authority that has given out nothing.
			unlinkSync(join(authority.files.issued, `${serial}.crt`));
		},
		close: () => scratch.remove(),
	};
}

/** Changes what is inside a PEM text. */
const changeEncoded: Mutation = (bytes, random, seeds) => {
	const text = Buffer.from(bytes).toString();
	const [before, base64] = /^-----BEGIN [A-Z ]+-----\n([A-Za-z0-9+/=\s]*)/.exec(text) ?? [];
	if (before === undefined || base64 === undefined) return bytes;
	const changed = pick(random, mutations)(Buffer.from(base64, "base64"), random, seeds);
	const start = before.length - base64.length;
	return replaced(bytes, start, before.length, Buffer.from(Buffer.from(changed).toString("base64")));
};

/** A trail's lines, head or key, as the first byte says: read by who checks it, or by who goes on with it. */
export async function trailTarget(): Promise<FuzzTarget> {
	const scratch = await scratchFolder();
	const texts = await wholeTrail(join(scratch.folder, "whole"));
	const folder = join(scratch.folder, "case");
	await mkdir(folder);
	const files = filesOf(folder);
	/** Files that hold something else than `texts` does: the others are not written again. */
	const changed = new Set(files.keys());
	return {
		seeds: [0, texts.length].flatMap((first) =>
			texts.map((text, role) => Buffer.concat([Buffer.of(first + role), text])),
		),
		mutations: [
			(bytes, random) => Buffer.concat([bytes.subarray(0, 1), mutateText(bytes.subarray(1), random)]),
			changeLine,
		],
		async read(bytes) {
			const first = bytes[0] ?? 0;
			const role = first % texts.length;
			if (changed.size > 1) clear(folder);
			for (const i of changed) writeFileSync(files[i] as string, texts[i] ?? "");
			changed.clear();
			writeFileSync(files[role] as string, bytes.subarray(1));
			changed.add(role);
			if (first % (2 * texts.length) < texts.length) {
				await verifyTrail(folder);
				return;
			}
			// Whoever goes on with a trail may write any of its files, and leave others beside them.
			for (const i of files.keys()) changed.add(i);
			await using trail = await AuditTrail.open(folder, new ManualClock());
			trail.append("more");
		},
		close: () => scratch.remove(),
	};
}

function filesOf(folder: string): readonly string[] {
	const { trail, head, publicKey, key } = trailFiles(folder);
	return [trail, head, publicKey, key];
}

/** What the files of a trail of three entries hold. */
async function wholeTrail(folder: string): Promise<readonly Buffer[]> {
	await mkdir(folder);
	const { key, publicKey } = trailFiles(folder);
	const privateKey = createPrivateKey(pem("PRIVATE KEY", trailKey));
	await writeFile(key, pem("PRIVATE KEY", trailKey));
	await writeFile(publicKey, createPublicKey(privateKey).export({ type: "spki", format: "pem" }));
	const trail = await AuditTrail.open(folder, new ManualClock());
	for (const device of ["ward-3", "ward-4", "ward-5"]) trail.append("connected", { device });
	await trail.close();
	return Promise.all(filesOf(folder).map((file) => readFile(file)));
}

/** Changes one line as the JSON it is. */
const changeLine: Mutation = (bytes, random) => {
	const lines = Buffer.from(bytes.subarray(1)).toString().split("\n");
	const at = random.integer(lines.length);
	lines[at] = Buffer.from(mutateText(Buffer.from(lines[at] as string), random)).toString();
	return Buffer.concat([bytes.subarray(0, 1), Buffer.from(lines.join("\n"))]);
};
