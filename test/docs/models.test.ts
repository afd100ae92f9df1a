import { copyFile, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type CliResult, projectFolder, runCli } from "../helpers/run-cli.js";
import { sharedPath, withShared } from "../helpers/shared.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

withShared("the walk-through in docs/models.md lists, compiles, trains over MQTT and exports", async (t) => {
	const page = await readFile(join(projectFolder, "docs/models.md"), "utf8");
	const lines = Array.from(page.matchAll(/^psgl (.*)$/gm), ([, line]) => line as string);
	const command = (start: string): string[] => {
		const found = lines.find((line) => line.startsWith(start));
		if (found === undefined) throw new Error(`the page has no psgl ${start}`);
		return found.split(" ");
	};
	const cwd = await temporaryFolder(t);
	await copyFile(sharedPath("vectors", "onnx", "lenet_op13.onnx"), join(cwd, "model.onnx"));
	await symlink(sharedPath("data", "mnist"), join(cwd, "mnist"));

	const list = await runCli(command("compile --onnx model.onnx --list-cuts"), { cwd });
	t.is(list.exitCode, 0, list.stderr);
	const printed = /^\/MaxPool_output_0 .*$/m.exec(page)?.[0] ?? "missing";
	t.true(list.stdout.includes(printed), "the table on the page is the one that is printed");
	for (const line of ["compile --onnx model.onnx --cut /MaxPool", "compile --onnx model.onnx --cut auto"]) {
		const compiled = await runCli(command(line), { cwd });
		t.is(compiled.exitCode, 0, compiled.stderr);
	}

	let fleet: Promise<CliResult> | undefined;
	const cloud = await runCli([...command("cloud"), "--rounds", "1", "--port", "0", "--json"], {
		cwd,
		onEvent: ({ type, url }) => {
			if (type === "listening") {
				fleet = runCli([...command("fleet"), "--url", String(url), "--samples", "160"], { cwd });
			}
		},
	});
	t.is(cloud.exitCode, 0, cloud.stderr);
	t.is((await fleet)?.exitCode, 0, (await fleet)?.stderr);
	const exported = await runCli(command("export"), { cwd });
	t.is(exported.exitCode, 0, exported.stderr);
	const before = await decodeArtifact(await readFile(join(cwd, "own.psgl")));
	const after = await decodeArtifact(await readFile(join(cwd, "psgl-state", "model.psgl")));
	t.is(after.manifest.version, before.manifest.version + 1);
	t.notDeepEqual(after.tensors.get("server/params"), before.tensors.get("server/params"));
	await using session = await nodeRuntime.load(await readFile(join(cwd, "trained.onnx")));
	t.deepEqual(session.inputNames, ["x"]);
});
