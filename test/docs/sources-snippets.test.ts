import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import sharp from "sharp";
import { projectFolder } from "../helpers/run-cli.js";
import { dicomBytes, words } from "../helpers/write-dicom.js";
import { wfdbAnnotations, wfdbSamples } from "../helpers/write-signals.js";

const run = promisify(execFile);

test("the programs in docs/sources.md compile and run on files of their kinds", async (t) => {
	const text = await readFile(join(projectFolder, "docs/sources.md"), "utf8");
	const programs = Array.from(text.matchAll(/```ts\n([\s\S]*?)```/g), ([, program]) => program as string);
	t.is(programs.length, 5);
	// Inside the project, so that its packages are found.
	const folder = join(projectFolder, "build", "snippets", "sources");
	await mkdir(join(folder, "incoming"), { recursive: true });
	t.teardown(() => rm(folder, { recursive: true, force: true }));
	const scan = Uint16Array.from({ length: 700 * 700 }, (_, i) => i % 4000);
	const raw = { width: 700, height: 700, channels: 1 } as const;
	await sharp(scan, { raw }).toColourspace("grey16").tiff({ compression: "lzw" }).toFile(join(folder, "scan.tiff"));
	const image = dicomBytes({ pixels: words(Array.from({ length: 16 }, (_, i) => i)) });
	await writeFile(join(folder, "slice.dcm"), image);
	await writeFile(join(folder, "incoming", "slice.dcm"), image);
	const signal = Array.from({ length: 7200 }, (_, i) => Math.round(900 * Math.exp(-(((i % 360) - 180) ** 2) / 60)));
	await writeFile(join(folder, "100.hea"), "100 1 360 7200\n100.dat 212 200/mV\n");
	await writeFile(join(folder, "100.dat"), wfdbSamples(signal, 212));
	const beats = Array.from({ length: 19 }, (_, k) => ({ at: 180 + 360 * k, label: k % 2 === 0 ? 1 : 5 }));
	await writeFile(join(folder, "100.atr"), wfdbAnnotations(beats));
	const files = programs.map((_, i) => join(folder, `program-${i}.ts`));
	for (const [i, file] of files.entries()) {
		const program = (programs[i] as string)
			.replace('signal: "MLII"', "signal: 0")
			.replace("timeout(5000)", "timeout(2500)");
		await writeFile(file, program);
	}
	const options = [
		"--ignoreConfig",
		"--target",
		"ES2023",
		"--module",
		"NodeNext",
		"--types",
		"node",
		"--strict",
		"--skipLibCheck",
	];
	await run(join(projectFolder, "node_modules", ".bin", "tsc"), [...options, ...files], { cwd: folder });
	const output: string[] = [];
	for (const file of files) {
		const { stdout } = await run(process.execPath, [file.replace(/ts$/, "js")], { cwd: folder, timeout: 60_000 });
		output.push(stdout);
	}
	t.is(output[0], "4096\n");
	t.regex(output[1] ?? "", /\[ 1, 128, 128 \].*kind: 'dicom'/s);
	t.regex(output[2] ?? "", /^\d+\n?$/m);
	t.regex(output[3] ?? "", /^19 .*\n(\[ 1, 128 \] [\d.]+\n){10,}/s);
	t.regex(output[4] ?? "", /\[ 1, 28, 28 \].*\nend undefined\n\[ 1, 28, 28 \] 1\n/s);
});
