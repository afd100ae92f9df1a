import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type BrokerEvent, type BrokerTls, CertificateAuthority, startBroker } from "@psgl/cloud";
import type { PsglError } from "@psgl/sdk";
import type { ExecutionContext } from "ava";
import { temporaryFolder } from "./temporary-folder.js";

/** Something the broker refused. */
export type Refusal = Extract<BrokerEvent, { type: "refused" }>;

/** An authority, a broker of it, and the refusals the broker reports. */
export async function tlsBroker(t: ExecutionContext) {
	const folder = await temporaryFolder(t);
	const ca = await CertificateAuthority.create(join(folder, "pki"), { name: "test", days: 1000 });
	await ca.issueBroker(["127.0.0.1"], 100);
	const refusals: Refusal[] = [];
	const waiting: (() => void)[] = [];
	const onEvent = (event: BrokerEvent) => {
		if (event.type !== "refused") return;
		refusals.push(event);
		for (const wake of waiting.splice(0)) wake();
	};
	const broker = await startBroker({ port: 0, tls: await brokerFiles(ca), onEvent });
	t.teardown(() => broker.close());
	/** The next refusal, taken out of the list. */
	const refusal = async (): Promise<PsglError> => {
		while (refusals.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
		return (refusals.shift() as Refusal).error;
	};
	return { folder, ca, broker, refusal, refusals };
}

/** The broker's files as an authority keeps them. */
export async function brokerFiles({ files, certificatePem }: CertificateAuthority): Promise<BrokerTls> {
	return {
		certificate: await readFile(files.brokerCertificate, "utf8"),
		key: await readFile(files.brokerKey, "utf8"),
		authority: certificatePem,
		revocationList: await readFile(files.revocationList, "utf8"),
	};
}
