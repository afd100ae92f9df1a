import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { Aggregator, CertificateAuthority, startBroker } from "@psgl/cloud";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { pictureFolder } from "../helpers/picture-folder.js";
import { projectFolder } from "../helpers/run-cli.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const run = promisify(execFile);

async function certificateAuthority(folder: string): Promise<CertificateAuthority> {
	const authority = await CertificateAuthority.create(folder, { name: "snippet", days: 10 });
	await authority.issueBroker(["127.0.0.1"], 5);
	return authority;
}

async function brokerTls({ files, certificatePem }: CertificateAuthority) {
	const [certificate, key, revocationList] = await Promise.all(
		[files.brokerCertificate, files.brokerKey, files.revocationList].map((file) => readFile(file, "utf8")),
	);
	return {
		certificate: certificate as string,
		key: key as string,
		authority: certificatePem,
		revocationList: revocationList as string,
	};
}

/** Writes the kit of ward-3 and returns its path. */
async function startUpKit(authority: CertificateAuthority, url: string): Promise<string> {
	const { certificate, key } = await authority.issueDevice("ward-3", { days: 1 });
	const kit = { format: 1, id: "ward-3", url, authority: authority.certificatePem, certificate, key };
	const file = join(authority.files.folder, "ward-3.kit.json");
	await writeFile(file, JSON.stringify(kit));
	return file;
}

for (const page of ["README.md", "docs/getting-started.md", "docs/device.md"]) {
	test.serial(`the program in ${page} compiles and trains`, async (t) => {
		const text = await readFile(join(projectFolder, page), "utf8");
		const [, program] = text.match(/```ts\n([\s\S]*?)```/) ?? [];
		if (program === undefined) return t.fail(`${page} has no program`);
		const data = await temporaryFolder(t);
		await pictureFolder(data);

		const artifact = await compileArtifact(
			presetDefinition("robust", zooNetwork("lenet"), [1, 28, 28], ["bright", "dark"]),
			{
				name: "snippet",
				random: seededRandom(1),
			},
		);
		const authority = await certificateAuthority(join(data, "..", `${basename(data)}-pki`));
		t.teardown(() => rm(authority.files.folder, { recursive: true, force: true }));
		const withKit = program.includes(".kit.json");
		await using broker = await startBroker({ port: 0, tls: withKit ? await brokerTls(authority) : undefined });
		await using aggregator = await Aggregator.start({
			artifact,
			runtime: nodeRuntime,
			broker,
			settings: { rounds: 1, batchSize: 16 },
		});

		// Inside the project, so that its packages are found.
		const folder = join(projectFolder, "build", "snippets", page.replaceAll(/[/.]/g, "-"));
		await mkdir(folder, { recursive: true });
		t.teardown(() => rm(folder, { recursive: true, force: true }));
		const file = join(folder, "program.ts");
		const here = program
			.replace(/mqtt:\/\/[a-z0-9.-]+:\d+/, broker.url)
			.replace('"ward-3.kit.json"', JSON.stringify(await startUpKit(authority, broker.url)))
			.replace('"own-pictures"', JSON.stringify(data));
		await writeFile(file, here);
		const tsc = join(projectFolder, "node_modules", ".bin", "tsc");
		const options = [
			"--ignoreConfig",
			"--target",
			"ES2023",
			"--module",
			"NodeNext",
			"--strict",
			"--skipLibCheck",
			"--types",
			"node",
		];
		await run(tsc, [...options, file], { cwd: folder });
		const { stdout } = await run(process.execPath, [join(folder, "program.js")], { timeout: 60_000 });
		t.regex(stdout, /^round$/m);
		t.regex(stdout, /^end$/m);
		t.true((await aggregator.result).counts.applied > 0);
	});
}
