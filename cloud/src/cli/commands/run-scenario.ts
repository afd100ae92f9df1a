import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type FleetRecord, readScenario } from "@psgl/firmware-sim";
import { withThreads } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { writeOutput } from "../../files/write-output.js";
import { runRealScenario } from "../../fleet/run-real-scenario.js";
import { calibrateScenario, simulateScenario } from "../../fleet/simulate-scenario.js";
import { fleetReport } from "../../fleet-report/fleet-report.js";
import { defaultThreads } from "../common-options.js";
import { invariantBroken } from "../exit-codes.js";
import { formatBytes } from "../format.js";
import type { Output } from "../output.js";
import type { VerbContext } from "../verb.js";

interface ScenarioValues {
	readonly scenario: string;
	readonly virtual: boolean;
	readonly calibrate: boolean;
	readonly minutes: number;
	readonly output: string;
	readonly seed: number;
	readonly threads?: number | undefined;
}

/** Runs a scenario, writes its report and prints its invariants; the exit code tells whether one is broken. */
export async function runScenarioVerb(options: ScenarioValues, { output, signal }: VerbContext): Promise<number> {
	const { seed, threads = defaultThreads() } = options;
	const scenario = await readScenario(scenarioFile(options.scenario));
	const runtime = withThreads(nodeRuntime, threads);
	if (options.calibrate) {
		const calibration = await calibrateScenario(scenario, { seed, runtime, signal });
		output.print(JSON.stringify({ calibration }, null, "\t"));
		output.result({ calibration });
		return 0;
	}
	const bar = output.progress(scenario.name, 100);
	const onProgress = (share: number) => bar.update(Math.floor(100 * share));
	const run = { seed, runtime, threads, onProgress, signal };
	const running = options.virtual
		? simulateScenario(scenario, run)
		: runRealScenario(scenario, { ...run, minutes: options.minutes });
	const record = await running.finally(() => bar.stop());
	await writeOutput(options.output, fleetReport(record, commandOf(options)));
	show(output, record);
	output.print(`Written: ${options.output}`);
	output.result({ ...record, report: options.output });
	return record.invariants.every(({ holds }) => holds) ? 0 : invariantBroken;
}

/** A path as it is given; a bare name is one of the scenarios that come with psgl. */
function scenarioFile(given: string): string {
	if (!/^[a-z][a-z0-9-]*$/.test(given)) return given;
	const entry = createRequire(import.meta.url).resolve("@psgl/firmware-sim");
	return join(dirname(entry), "..", "scenarios", `${given}.json`);
}

function commandOf({ scenario, virtual, minutes, seed, threads }: ScenarioValues): string {
	const how = virtual ? ["--virtual"] : ["--minutes", String(minutes)];
	const parts = ["psgl fleet --scenario", scenario, ...how, "--seed", String(seed)];
	return [...parts, ...(threads === undefined ? [] : ["--threads", String(threads)])].join(" ");
}

function show(output: Output, { devices, hours, rounds, counts, samples, invariants }: FleetRecord): void {
	const last = samples.at(-1);
	const accuracy = rounds.findLast((round) => round.accuracy !== undefined)?.accuracy;
	const learned = accuracy === undefined ? "" : `, accuracy ${(100 * accuracy).toFixed(1)} %`;
	output.print(
		`${devices} devices, ${hours} h: ${rounds.length} rounds${learned}; ${counts.applied} batches took effect; ${formatBytes(last?.bytesUp ?? 0)} up, ${formatBytes(last?.bytesDown ?? 0)} down`,
	);
	output.table(
		[{ title: "invariant" }, { title: "found", align: "right" }, { title: "limit", align: "right" }, { title: "" }],
		invariants.map(({ title, value, limit, holds }) => [
			title,
			String(Number(value.toFixed(4))),
			String(limit),
			holds ? "holds" : "broken",
		]),
	);
}
