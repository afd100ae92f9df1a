import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, type StartUpKit } from "@psgl/sdk";
import { writeOutput } from "../../files/write-output.js";
import { CertificateAuthority } from "../../provision/authority.js";
import { newRequest } from "../../provision/certificate-request.js";
import { readRoots } from "../../signing/roots-folder.js";
import type { VerbContext } from "../verb.js";

interface InitValues {
	readonly pki: string;
	readonly host: string;
	readonly name: string;
	readonly authorityDays: number;
	readonly days: number;
	readonly renew: boolean;
}

/** Makes the authority, or opens it for `--renew`, and the broker's certificate. */
export async function runProvisionInit(options: InitValues, { output }: VerbContext): Promise<number> {
	const { pki, name, authorityDays, days, renew } = options;
	const hosts = options.host.split(",").map((host) => host.trim());
	if (hosts.some((host) => !/^[A-Za-z0-9.:_-]{1,253}$/.test(host))) {
		throw new ConfigError("PSGL_OPTION", {
			what: "--host cannot be used",
			got: options.host,
			expected: "host names and addresses separated by commas",
		});
	}
	const authority = renew
		? await CertificateAuthority.open(pki)
		: await CertificateAuthority.create(pki, { name, days: authorityDays });
	const notAfter = await authority.issueBroker(hosts, days);
	const { brokerCertificate, key } = authority.files;
	output.print(
		`The broker's certificate for ${hosts.join(", ")} is valid until ${date(notAfter)}: ${brokerCertificate}\nWho has ${key} can enrol devices: keep it safe, and keep a backup.\nStart the broker with: psgl cloud --pki ${pki} --host 0.0.0.0 --artifact FILE`,
	);
	output.result({ pki, hosts, notAfter, certificate: brokerCertificate });
	return 0;
}

interface DeviceValues {
	readonly pki: string;
	readonly id: string;
	readonly url: string;
	readonly request?: string | undefined;
	readonly roots?: string | undefined;
	readonly days: number;
	readonly renew: boolean;
	readonly output?: string | undefined;
}

/** Gives a device a certificate and writes its kit, readable for the owner only. */
export async function runProvisionDevice(options: DeviceValues, { output }: VerbContext): Promise<number> {
	const { id, url, days, renew } = options;
	if (!URL.canParse(url) || !/^(mqtts|wss):$/.test(new URL(url).protocol)) {
		throw new ConfigError("PSGL_OPTION", { what: "--url cannot be used", got: url, expected: "mqtts://host:port" });
	}
	const authority = await CertificateAuthority.open(options.pki);
	const root = options.roots === undefined ? undefined : (await readRoots(options.roots)).newest.signed;
	const request = options.request === undefined ? undefined : await readText(options.request);
	const { certificate, key, serial, notAfter } = await authority.issueDevice(id, { days, request, renew });
	const kit: StartUpKit = { format: 1, id, url, authority: authority.certificatePem, certificate, key, root };
	const file = options.output ?? `${id}.kit.json`;
	await writeOutput(file, `${JSON.stringify(kit, null, "\t")}\n`, 0o600);
	const secret = key === undefined ? "It holds no key." : "It holds the device's key: keep it secret on the way.";
	output.print(`${file}: the kit of ${id}, valid until ${date(notAfter)}. ${secret}`);
	output.result({
		device: id,
		serial,
		notAfter,
		kit: file,
		holdsKey: key !== undefined,
		signedModels: root !== undefined,
	});
	return 0;
}

/** On the device: its key, and the request for a certificate. */
export async function runProvisionRequest(
	{ id, output: folder }: { readonly id: string; readonly output: string },
	{ output }: VerbContext,
): Promise<number> {
	const { key, request } = await newRequest(id);
	const files = { key: join(folder, `${id}.key`), request: join(folder, `${id}.csr`) };
	await writeOutput(files.key, key, 0o600);
	await writeOutput(files.request, request);
	output.print(
		`${files.key} stays on this device. Take ${files.request} to the authority:\npsgl provision device --id ${id} --request ${id}.csr`,
	);
	output.result({ device: id, ...files });
	return 0;
}

/** Shuts a device out. */
export async function runProvisionRevoke(
	{ pki, id, reason }: { readonly pki: string; readonly id: string; readonly reason: string },
	{ output }: VerbContext,
): Promise<number> {
	const authority = await CertificateAuthority.open(pki);
	const revoked = await authority.revoke(id, reason);
	const serials = revoked.map(({ serial }) => serial);
	output.print(`${id} is shut out: ${serials.join(", ")} revoked in ${authority.files.revocationList}`);
	output.result({ device: id, serials, revocationList: authority.files.revocationList });
	return 0;
}

/** Every certificate. */
export async function runProvisionList({ pki }: { readonly pki: string }, { output }: VerbContext): Promise<number> {
	const certificates = await (await CertificateAuthority.open(pki)).list();
	const now = Date.now();
	const rows = certificates.map(({ device, serial, notAfter, revoked }) => ({
		device,
		serial,
		notAfter,
		status: revoked !== undefined ? "revoked" : notAfter.getTime() < now ? "expired" : "valid",
		...(revoked === undefined ? {} : { revokedAt: revoked.at, reason: revoked.reason }),
	}));
	output.table(
		[{ title: "device" }, { title: "status" }, { title: "expires" }, { title: "serial" }, { title: "reason" }],
		rows.map((row) => [row.device, row.status, date(row.notAfter), row.serial, row.reason ?? ""]),
	);
	output.result({ certificates: rows });
	return 0;
}

function date(at: Date): string {
	return at.toISOString().slice(0, 10);
}

async function readText(path: string): Promise<string> {
	try {
		return await readFile(path, "utf8");
	} catch (cause) {
		throw new ConfigError("PSGL_OPTION", {
			what: "--request cannot be read",
			got: (cause as Error).message,
			expected: "the file psgl provision request wrote",
			cause,
		});
	}
}
