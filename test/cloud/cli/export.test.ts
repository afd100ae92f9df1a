import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { zeros } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

test.serial("export writes one ONNX file that runs", async (t) => {
	const folder = await temporaryFolder(t);
	const [artifact, file] = [join(folder, "model.psgl"), join(folder, "joined.onnx")];
	await runCli(`compile --zoo lenet --input 1x16x16 --classes 3 -o ${artifact}`.split(" "));
	const { exitCode, events } = await runCli(`export ${artifact} --json -o ${file}`.split(" "));
	t.is(exitCode, 0);
	t.like(events.at(-1), { type: "result", output: file, inputShape: [1, 16, 16] });
	await using session = await nodeRuntime.load(await readFile(file));
	const { probabilities } = await session.run({ x: zeros("float32", [2, 1, 16, 16]) });
	t.deepEqual(probabilities?.dims, [2, 3]);
	const byFlag = await runCli(`export --artifact ${artifact} --stream A -o ${file}`.split(" "));
	t.is(byFlag.exitCode, 0);
	t.regex(byFlag.stdout, /Written: .*joined\.onnx/);
	const refused = await runCli(`export -o ${file}`.split(" "));
	t.is(refused.exitCode, 2);
	t.regex(refused.stderr, /PSGL_OPTION_MISSING: --artifact/);
});
