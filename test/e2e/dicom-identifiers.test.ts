import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import dicomParser from "dicom-parser";
import { startCloud } from "../helpers/cloud.js";
import { runCli } from "../helpers/run-cli.js";
import { sharedPath, withShared } from "../helpers/shared.js";
import { tcpTap } from "../helpers/tcp-tap.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

/** Names, ids, birth dates, institutions, physicians, dates, and the ids of study, series and object. */
const identifying = [
	"x00100010",
	"x00100020",
	"x00100030",
	"x00080018",
	"x00080020",
	"x00080050",
	"x00080080",
	"x00080090",
	"x00081010",
	"x00081070",
	"x0020000d",
	"x0020000e",
];

async function identifiers(file: string): Promise<string[]> {
	const dataSet = dicomParser.parseDicom(await readFile(file));
	const values = identifying.flatMap((tag) => dataSet.string(tag)?.split("^") ?? []);
	// Four bytes turn up by chance once in 4 billion places.
	return values.filter((value) => value.length >= 4);
}

withShared(
	"a device that trains on DICOM files tells nobody whose they are: not on the wire, not in its log",
	async (t) => {
		const source = sharedPath("data/dicom");
		const files = (await readdir(source)).filter((file) => file.endsWith(".dcm"));
		t.is(files.length, 10);
		const data = await temporaryFolder(t);
		const secrets = new Set<string>();
		for (const part of ["train", "validation", "test"]) {
			for (const file of files) {
				const folder = join(data, part, /^MR|8b/.test(file) ? "b" : "a");
				await mkdir(folder, { recursive: true });
				await cp(join(source, file), join(folder, file));
				for (const secret of await identifiers(join(source, file))) secrets.add(secret);
			}
		}
		t.true(secrets.has("CompressedSamples") && secrets.has("Citizen") && secrets.has("CQ500-CT-310"));
		t.true(secrets.size > 20);

		const definition = presetDefinition("robust", zooNetwork("lenet"), [1, 16, 16], ["a", "b"]);
		const artifact = await compileArtifact(definition, { name: "dicom", random: seededRandom(1) });
		await using cloud = await startCloud(artifact, { rounds: 2, batchSize: 5 });
		await using tap = await tcpTap(Number(new URL(cloud.url).port));
		const address = ["--url", `mqtt://127.0.0.1:${tap.port}`, "--id", "ward-3"];
		const { exitCode, stdout, stderr, events } = await runCli([
			"device",
			...address,
			"--data",
			data,
			"--image-size",
			"16",
			"--json",
		]);
		t.is(exitCode, 0, stderr);
		t.is(events.at(-1)?.steps, 4);
		const passed = tap.bytes();
		t.true(passed.length > 10_000);
		// The tap sees plain bytes: what a message says of itself is among them.
		t.true(passed.includes("smashed"));
		for (const secret of secrets) {
			t.false(passed.includes(secret), `on the wire: ${secret}`);
			t.false(`${stdout}${stderr}`.includes(secret), `in the log: ${secret}`);
		}
		t.true(stdout.includes(basename(data)));
	},
);
