import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { smallScenario } from "../../helpers/fleet-scenario.js";
import { runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

test("psgl fleet --scenario --virtual writes a report, ends with the record, and says by its exit code whether all holds", async (t) => {
	const folder = await temporaryFolder(t);
	const [file, report] = [join(folder, "small.json"), join(folder, "report.html")];
	const scenario = smallScenario();
	await writeFile(file, JSON.stringify(scenario));
	const good = await runCli(["fleet", "--scenario", file, "--virtual", "-o", report, "--json"]);
	t.is(good.exitCode, 0, good.stderr);
	t.like(good.events.at(-1), { type: "result", scenario: "small", mode: "virtual", devices: 12, report });
	t.true((await readFile(report, "utf8")).includes("Fleet simulation: small"));

	await writeFile(file, JSON.stringify({ ...scenario, invariants: { leastAccuracy: 0.9 } }));
	const bad = await runCli(["fleet", "--scenario", file, "--virtual", "-o", report]);
	t.is(bad.exitCode, 11, bad.stderr);
	t.regex(bad.stdout, /accuracy after the last round, at least +0 +0.9 +broken/);
	t.regex(bad.stderr, /small: 100%/, "progress off a terminal");
});

test("psgl fleet refuses a scenario with an unknown key, and prints a calibration that a scenario takes", async (t) => {
	const folder = await temporaryFolder(t);
	const file = join(folder, "small.json");
	const { calibration: _, ...scenario } = smallScenario();
	await writeFile(file, JSON.stringify({ ...scenario, colour: "red" }));
	const refused = await runCli(["fleet", "--scenario", file, "--virtual"]);
	t.is(refused.exitCode, 2);
	t.regex(refused.stderr, /PSGL_SCENARIO_INVALID: .*: colour\n.*got: +"red"/);

	await writeFile(file, JSON.stringify(scenario));
	const { stdout, exitCode } = await runCli(["fleet", "--scenario", file, "--calibrate"]);
	t.is(exitCode, 0);
	const { calibration } = JSON.parse(stdout) as { calibration: Record<string, number> };
	t.true(Number(calibration.forwardMs) > 0 && Number(calibration.serverStepMs) > 0);
	await writeFile(file, JSON.stringify({ ...scenario, calibration }));
	const report = join(folder, "report.html");
	const { events } = await runCli(["fleet", "--scenario", file, "--virtual", "-o", report, "--json"]);
	t.deepEqual(events.at(-1)?.calibration, calibration);
});
