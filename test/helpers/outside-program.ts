import test, { type Implementation } from "ava";
import { findProgram } from "./find-program.js";

/**
 * `test` for what needs programs of the operating system. Where one is missing, the test is listed as skipped, with the
 * reason in its title; with `CI=true` it fails, so that nothing goes untested unnoticed.
 */
export function withPrograms(...names: readonly string[]): (title: string, run: Implementation<[]>) => void {
	const missing = names.filter((name) => findProgram(name) === undefined);
	if (missing.length === 0) return (title, run) => test(title, run);
	const reason = `needs ${missing.join(", ")}, which .ci/run installs`;
	const { CI } = process.env;
	if (CI === "true") return (title) => test(title, (t) => t.fail(reason));
	return (title, run) => test.skip(`${title} (${reason})`, run);
}
