import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Aggregator, startBroker } from "@psgl/cloud";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { projectFolder } from "../helpers/run-cli.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";
import { pngBytes } from "../helpers/write-png.js";

const run = promisify(execFile);

/** Two classes of 28x28 pictures, dark and bright, as a folder with a sub-folder for each. */
async function pictures(folder: string): Promise<void> {
	for (const [name, grey] of [
		["dark", 40],
		["bright", 200],
	] as const) {
		await mkdir(join(folder, name));
		for (let i = 0; i < 40; i++) {
			const values = Uint8Array.from({ length: 28 * 28 }, (_, p) => grey + ((p * (i + 3)) % 23));
			await writeFile(join(folder, name, `${i}.png`), pngBytes(28, 28, 1, values));
		}
	}
}

for (const page of ["README.md", "docs/getting-started.md"]) {
	test.serial(`the program in ${page} compiles and trains`, async (t) => {
		const text = await readFile(join(projectFolder, page), "utf8");
		const [, program] = text.match(/```ts\n([\s\S]*?)```/) ?? [];
		if (program === undefined) return t.fail(`${page} has no program`);
		const data = await temporaryFolder(t);
		await pictures(data);

		const artifact = await compileArtifact(
			presetDefinition("robust", zooNetwork("lenet"), [1, 28, 28], ["bright", "dark"]),
			{
				name: "snippet",
				random: seededRandom(1),
			},
		);
		await using broker = await startBroker({ port: 0 });
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
