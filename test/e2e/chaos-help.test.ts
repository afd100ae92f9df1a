import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { projectFolder } from "../helpers/run-cli.js";

const run = (...args: string[]) =>
	promisify(execFile)(process.execPath, [join(projectFolder, "build/test/chaos/main.js"), ...args]);

test("npm run chaos -- --help prints what it does and its options", async (t) => {
	for (const flag of ["--help", "-h"]) {
		const { stdout, stderr } = await run(flag);
		t.regex(stdout, /--kills N.*--devices N.*--seed N.*Exit code/s);
		t.is(stderr, "");
	}
});

test("an option chaos does not know, or a number that is none, ends with help and exit code 2", async (t) => {
	for (const args of [["--killz", "3"], ["--kills", "many"], ["--seed"]]) {
		const error = (await t.throwsAsync(run(...args))) as Error & { code: number; stderr: string; stdout: string };
		t.is(error.code, 2);
		t.regex(error.stderr, /--kills N/);
		t.is(error.stdout, "");
	}
});
