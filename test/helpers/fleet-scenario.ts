import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseScenario, type Scenario } from "@psgl/firmware-sim";
import { projectFolder } from "./run-cli.js";

const folder = join(projectFolder, "firmware-sim/scenarios");

/** Paths of the scenarios that come with psgl. */
export async function shippedScenarios(): Promise<readonly string[]> {
	return (await readdir(folder)).map((name) => join(folder, name));
}

/** The times of a step that the simulations of tests go by. */
export const calibration = { machine: "test", forwardMs: 3, backwardMs: 4, serverStepMs: 20, messageMs: 0.5 };

/** A scenario of a dozen devices that learns nothing, with changes. */
export function smallScenario(changes: Record<string, unknown> = {}): Scenario {
	const unit = { name: "unit", count: 12, profile: "pi-4", link: "wifi" };
	return parseScenario(
		{ name: "small", hours: 4, fleet: [unit], training: { rounds: 3, everyHours: 1 }, calibration, ...changes },
		"of a test",
	);
}

/** A scenario with few devices, rounds and real steps, and with the limits on learning left away. */
export function reduced(scenario: Scenario): Scenario {
	const total = scenario.fleet.reduce((sum, { count }) => sum + count, 0);
	const fleet = scenario.fleet.map((group) => ({
		...group,
		count: Math.max(2, Math.round((24 * group.count) / total)),
	}));
	const { everyHours = 1 } = scenario.training;
	return {
		...scenario,
		fleet,
		hours: 5 * everyHours,
		training: { ...scenario.training, rounds: 4, minDevices: 4 },
		learning: scenario.learning && { ...scenario.learning, panel: 4, stepsPerRound: 1, evaluationSamples: 32 },
		invariants: { ...scenario.invariants, leftBehindShare: 1, leastAccuracy: undefined },
	};
}
