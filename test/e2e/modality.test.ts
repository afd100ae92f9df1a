import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { withPrograms } from "../helpers/outside-program.js";
import { runCli } from "../helpers/run-cli.js";
import { runProgram } from "../helpers/run-program.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { dicomBytes, words } from "../helpers/write-dicom.js";

withPrograms("storescu")(
	"a device trains on what a modality sends, when the readings come, in the classes of the model",
	async (t) => {
		const folder = await temporaryFolder(t);
		const random = seededRandom(1);
		const files: string[] = [];
		const lines = ["id,label"];
		for (let i = 0; i < 24; i++) {
			const level = i % 2 === 0 ? 100 : 1000;
			const pixels = words(Array.from({ length: 16 }, () => level + random.integer(50)));
			const window = [[0x00281050, "DS", "600"] as const, [0x00281051, "DS", "1200"] as const];
			const study = `1.2.3.${i}`;
			const elements = [
				[0x00080018, "UI", `${study}.1`] as const,
				[0x0020000d, "UI", study] as const,
				[0x00100020, "LO", `P-77${i >> 1}`] as const,
			];
			files.push(join(folder, `${i}.dcm`));
			await writeFile(files.at(-1) as string, dicomBytes({ pixels, elements: [...elements, ...window] }));
			// Some readings name the image, some the study.
			lines.push(`${i % 3 === 0 ? `${study}.1` : study},${i % 2 === 0 ? "dark" : "bright"}`);
		}
		const labels = join(folder, "readings.csv");
		const definition = presetDefinition("none", zooNetwork("lenet"), [1, 16, 16], ["dark", "unsure", "bright"]);
		const artifact = await compileArtifact(definition, { name: "modality", random: seededRandom(1) });
		await using cloud = await startCloud(artifact, { rounds: 1, batchSize: 4 });
		const device = ["device", "--url", cloud.url, "--id", "ward-3", "--image-size", "16", "--json"];
		// The ledger is asked too when the device asks for the model's classes.
		const kept = ["--state", join(folder, "state"), "--budget-bits", "1e9"];
		const modality = ["--dicom-port", "0", "--dicom-title", "PSGL", "--labels", labels, "--collect", "20", ...kept];
		let sent: Promise<unknown> | undefined;
		let warn = () => {};
		const warned = new Promise<void>((resolve) => {
			warn = resolve;
		});
		const { exitCode, stdout, stderr, events } = await runCli([...device, ...modality], {
			onEvent: (event) => {
				if (event.code === "PSGL_LABELS_CLASS") warn();
				if (event.type !== "receiving") return;
				const address = ["-aec", "PSGL", "127.0.0.1", String(event.port)];
				const send = (some: readonly string[]) => runProgram("storescu", [...address, ...some], { timeout: 120_000 });
				// Half of the images come before their readings, half after.
				sent = send(files.slice(0, 12)).then(async () => {
					await writeFile(labels, [...lines, "1.2.3.0,someone Doe", "1.2.3.1,someone Doe"].join("\n"));
					await warned;
					await writeFile(labels, lines.join("\n"));
					await send(files.slice(12));
				});
			},
		});
		// The receiver closes when it has enough: the last images may find no one.
		await sent?.catch(() => {});
		t.is(exitCode, 0, stderr);
		// In the model's order, with the class that none of the images has.
		t.is(events.filter(({ code }) => code === "PSGL_LABELS_CLASS").length, 1);
		t.true((events.at(-1)?.steps as number) >= 2, stdout);
		const collected = events.filter(({ type }) => type === "collected");
		t.true((collected.at(-1)?.labelled as number) >= 20);
		t.notRegex(stdout + stderr, /Doe|P-77|1\.2\.3\./);
	},
);

test("a device trains on DICOM files that come into a folder; what is no image is set aside, and no name is told", async (t) => {
	const folder = await temporaryFolder(t);
	const incoming = join(folder, "incoming");
	await mkdir(incoming);
	const labels = join(folder, "readings.csv");
	const lines = ["id,label"];
	for (let i = 0; i < 12; i++) {
		const pixels = words(Array.from({ length: 16 }, (_, p) => (i % 2 === 0 ? 100 : 1000) + p));
		const elements = [
			[0x00080018, "UI", `1.2.3.${i}.1`],
			[0x00100020, "LO", `P-77${i}`],
		] as const;
		await writeFile(join(incoming, `scan-${i}.dcm`), dicomBytes({ pixels, elements }));
		lines.push(`${i % 3 === 0 ? `scan-${i}.dcm` : `1.2.3.${i}.1`},${i % 2 === 0 ? "dark" : "bright"}`);
	}
	await writeFile(join(incoming, "Doe-report.txt"), "no image");
	// As a program leaves it that has begun to write; what it says of itself is not told.
	await writeFile(labels, "Doe Jane,P-771\n");
	const definition = presetDefinition("none", zooNetwork("lenet"), [1, 16, 16], ["dark", "bright"]);
	const artifact = await compileArtifact(definition, { name: "watched", random: seededRandom(1) });
	await using cloud = await startCloud(artifact, { rounds: 1, batchSize: 4 });
	const device = ["device", "--url", cloud.url, "--id", "ward-3", "--image-size", "16", "--json"];
	let written: Promise<unknown> | undefined;
	const { exitCode, stdout, stderr, events } = await runCli(
		[...device, "--watch", incoming, "--labels", labels, "--collect", "12"],
		{
			onEvent: (event) => {
				// The readings come after the images have.
				if (event.code === "PSGL_DICOM_CORRUPT") written ??= writeFile(labels, lines.join("\n"));
			},
		},
	);
	await written;
	t.is(exitCode, 0, stderr);
	t.is(events.filter(({ code }) => code === "PSGL_LABELS_FILE").length, 1);
	t.true((events.at(-1)?.steps as number) >= 2, stdout);
	t.notRegex(stdout + stderr, /Doe|P-77|1\.2\.3\.|scan-/);
});

test("--dicom-port needs labels, and no --data beside it", async (t) => {
	for (const args of [["--data", "x.npz", "--labels", "y.csv"], []]) {
		const { exitCode, stderr } = await runCli(["device", "--id", "ward-3", "--dicom-port", "0", ...args]);
		t.is(exitCode, 2);
		t.regex(stderr, /PSGL_OPTION_CONFLICT/);
	}
});
