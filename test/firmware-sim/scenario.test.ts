import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expandFleet, parseScenario, readScenario, scenarioJsonSchema, scenarioLimits } from "@psgl/firmware-sim";
import { ConfigError, seededRandom } from "@psgl/sdk";
import test from "ava";
import { shippedScenarios, smallScenario } from "../helpers/fleet-scenario.js";
import { projectFolder } from "../helpers/run-cli.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const base = {
	name: "x",
	hours: 1,
	fleet: [{ name: "a", count: 2, profile: "pi-4", link: "wifi" }],
	training: { rounds: 1 },
};

test("docs/scenario.schema.json is what scenario files are checked with", async (t) => {
	const published = await readFile(join(projectFolder, "docs/scenario.schema.json"), "utf8");
	t.deepEqual(JSON.parse(published), scenarioJsonSchema(), "run npm run schema");
});

test("the scenarios that come with psgl are named as their files are and point to the schema", async (t) => {
	const paths = await shippedScenarios();
	t.true(paths.length >= 5);
	for (const path of paths) {
		const { name, $schema } = await readScenario(path);
		t.true(path.endsWith(`/${name}.json`));
		await t.notThrowsAsync(readFile(join(path, "..", $schema as string)));
	}
});

const wrong: readonly (readonly [what: string, json: unknown, path: string, got: RegExp, expected: RegExp])[] = [
	["an unknown key", { ...base, color: "red" }, "color", /"red"/, /color/],
	["an unknown key in a group", { ...base, fleet: [{ ...base.fleet[0], profil: 1 }] }, "fleet.0.profil", /1/, /profil/],
	[
		"an unknown profile",
		{ ...base, fleet: [{ ...base.fleet[0], profile: "pi-9" }] },
		"fleet.0.profile",
		/pi-9/,
		/pi-zero-2w/,
	],
	["a text for a number", { ...base, hours: "1" }, "hours", /"1"/, /number/],
	["a missing key", { ...base, training: {} }, "training.rounds", /nothing/, /number/],
	["no object", 7, "the whole file", /7/, /object/],
	["two groups of one name", { ...base, fleet: [base.fleet[0], base.fleet[0]] }, "fleet.1.name", /"a"/, /no other/],
	["too many hours", { ...base, hours: scenarioLimits.maxHours + 1 }, "hours", /1345/, /1344/],
	[
		"too many devices together",
		{ ...base, fleet: ["a", "b"].map((name) => ({ ...base.fleet[0], name, count: scenarioLimits.maxDevices })) },
		"fleet",
		/32768/,
		/16384/,
	],
	[
		"samples the wrong way round",
		{ ...base, fleet: [{ ...base.fleet[0], samples: { least: 9, most: 3 } }] },
		"fleet.0.samples",
		/9/,
		/least/,
	],
	[
		"more malicious devices than there are",
		{
			...base,
			fleet: [
				{
					...base.fleet[0],
					malicious: [
						{ kind: "poison", share: 0.6 },
						{ kind: "flood", share: 0.6 },
					],
				},
			],
		},
		"fleet.0.malicious",
		/1.2/,
		/at most 1/,
	],
	[
		"waves that do not reach everyone",
		{ ...base, updates: [{ atHours: 0, waves: [0.5, 0.9], everyHours: 1, megabytes: 1 }] },
		"updates.0.waves",
		/0.9/,
		/the last one 1/,
	],
];

for (const [what, json, path, got, expected] of wrong) {
	test(`a scenario with ${what} is refused with its path, what was got and what is expected`, (t) => {
		const error = t.throws(() => parseScenario(json, "s.json"), { instanceOf: ConfigError });
		t.is(error?.code, "PSGL_SCENARIO_INVALID");
		t.true(error?.what.endsWith(`: ${path}`), error?.what);
		t.regex(error?.got ?? "", got);
		t.regex(error?.expected ?? "", expected);
	});
}

test("a file that is not there, is no JSON or is too long is refused", async (t) => {
	const folder = await temporaryFolder(t);
	const [broken, long] = [join(folder, "broken.json"), join(folder, "long.json")];
	await writeFile(broken, "{");
	await writeFile(long, JSON.stringify({ ...base, description: "x".repeat(scenarioLimits.maxFileBytes) }));
	for (const path of [join(folder, "none.json"), broken, long]) {
		const error = await t.throwsAsync(readScenario(path), { instanceOf: ConfigError });
		t.is(error?.code, "PSGL_SCENARIO_UNREADABLE", path);
	}
});

test("a fleet is as large, slow and malicious as its scenario says, and a device does not depend on other groups", (t) => {
	const group = {
		name: "unit",
		count: 40,
		profile: "pi-3",
		link: "4g",
		addresses: 4,
		samples: { least: 10, most: 20 },
		stragglers: { share: 0.25, slowdown: 3 },
		malicious: [
			{ kind: "poison", share: 0.1 },
			{ kind: "flood", share: 0.05 },
		],
	};
	const alone = expandFleet(smallScenario({ fleet: [group] }), seededRandom(1));
	t.is(alone.length, 40);
	t.is(alone[0]?.id, "unit-01");
	t.is(alone.filter(({ malicious }) => malicious === "poison").length, 4);
	t.is(alone.filter(({ malicious }) => malicious === "flood").length, 2);
	t.is(alone.filter(({ slowdown }) => slowdown === 3).length, 10);
	t.is(new Set(alone.map(({ address }) => address)).size, 4);
	t.true(alone.every(({ samples }) => samples >= 10 && samples <= 20));
	t.true(new Set(alone.map(({ samples }) => samples)).size > 5);
	const first = { ...group, name: "first", count: 3, malicious: [] };
	const both = expandFleet(smallScenario({ fleet: [first, group] }), seededRandom(1));
	const plain = (devices: typeof alone) => devices.map(({ random: _, group: __, ...rest }) => rest);
	t.deepEqual(plain(both.slice(3)), plain(alone));
});
