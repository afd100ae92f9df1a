import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { canMount, onOwnFileSystem } from "../../helpers/mounted-folder.js";
import { cliProgram } from "../../helpers/run-cli.js";
import { runProgram } from "../../helpers/run-program.js";
import { smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

/** `test` where a process may mount; where it may not, the test is listed as skipped. */
const withMounts = canMount ? test : test.skip;

withMounts("compile on a full disk leaves the artifact that was there, and nothing beside it", async (t) => {
	const folder = await temporaryFolder(t);
	const before = join(await temporaryFolder(t), "before.psgl");
	const { jointBytes } = await smallModel();
	await writeFile(before, jointBytes);
	// Room for that and for half of one more; the one for larger pictures takes more.
	const [program, ...rest] = onOwnFileSystem(folder, `size=${Math.ceil(1.5 * jointBytes.byteLength)}`);
	const compile = "compile --zoo lenet --input 3x64x64 --classes 2 -o model.psgl";
	const script = `cd "$1" && cp "$2" model.psgl && "$3" "$4" ${compile} 2>&1; echo "exit $?"; cmp "$2" model.psgl && ls -A`;
	const args = ["sh", "-c", script, "sh", folder, before, process.execPath, cliProgram];
	const { stdout } = await runProgram(program, [...rest, ...args]);
	t.regex(stdout, /PSGL_OUTPUT_UNWRITABLE[\s\S]*ENOSPC[\s\S]*exit 2\nmodel\.psgl\n$/);
});
