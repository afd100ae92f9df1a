import { open } from "node:fs/promises";
import { ConfigError } from "@psgl/sdk";
import { type Scenario, scenarioSchema } from "./scenario.js";
import { scenarioLimits } from "./scenario-limits.js";

/**
 * Reads a scenario file.
 * @throws ConfigError `PSGL_SCENARIO_UNREADABLE`, and as `parseScenario`.
 */
export async function readScenario(path: string): Promise<Scenario> {
	let json: unknown;
	try {
		await using file = await open(path);
		const { size } = await file.stat();
		if (size > scenarioLimits.maxFileBytes) throw new Error(`${size} bytes, more than ${scenarioLimits.maxFileBytes}`);
		json = JSON.parse(await file.readFile("utf8"));
	} catch (cause) {
		throw new ConfigError("PSGL_SCENARIO_UNREADABLE", {
			what: `the scenario file ${path} cannot be read`,
			got: (cause as Error).message,
			expected: `a JSON file of at most ${scenarioLimits.maxFileBytes} bytes`,
			remedy: "Check the path and the file's syntax",
			cause,
		});
	}
	return parseScenario(json, path);
}

/**
 * Checks a scenario and fills in its defaults.
 * @param origin what it is called in messages
 * @throws ConfigError `PSGL_SCENARIO_INVALID` with the path of what is wrong.
 */
export function parseScenario(json: unknown, origin: string): Scenario {
	const parsed = scenarioSchema.safeParse(json);
	if (!parsed.success) {
		const [issue] = parsed.error.issues;
		const unknown = issue?.code === "unrecognized_keys" ? issue.keys : [];
		const path = [...(issue?.path ?? []), ...unknown.slice(0, 1)];
		throw invalid(origin, path, quoted(valueAt(json, path)), issue?.message ?? "another value");
	}
	const scenario = parsed.data;
	const total = scenario.fleet.reduce((sum, { count }) => sum + count, 0);
	if (total > scenarioLimits.maxDevices) {
		throw invalid(origin, ["fleet"], `${total} devices`, `at most ${scenarioLimits.maxDevices} devices together`);
	}
	const names = scenario.fleet.map(({ name }) => name);
	const twice = names.findIndex((name, i) => names.indexOf(name) !== i);
	if (twice >= 0) throw invalid(origin, ["fleet", twice, "name"], quoted(names[twice]), "a name no other group has");
	for (const [i, { samples, malicious }] of scenario.fleet.entries()) {
		if (samples.least > samples.most) {
			throw invalid(origin, ["fleet", i, "samples"], quoted(samples), "least not above most");
		}
		const bad = malicious.reduce((sum, { share }) => sum + share, 0);
		if (bad > 1) throw invalid(origin, ["fleet", i, "malicious"], `shares of ${bad} together`, "at most 1 together");
	}
	for (const [i, { waves }] of scenario.updates.entries()) {
		const rising = waves.every((wave, k) => k === 0 || wave > (waves[k - 1] as number)) && waves.at(-1) === 1;
		if (!rising) throw invalid(origin, ["updates", i, "waves"], quoted(waves), "shares that rise, the last one 1");
	}
	return scenario;
}

function invalid(origin: string, path: readonly PropertyKey[], got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_SCENARIO_INVALID", {
		what: `the scenario ${origin} cannot be used: ${path.map(String).join(".") || "the whole file"}`,
		got,
		expected,
		remedy: "Correct it; docs/scenario.schema.json lets an editor check it",
	});
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
	let value = json;
	for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
	return value;
}

function quoted(value: unknown): string {
	const text = JSON.stringify(value) ?? "nothing";
	return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
