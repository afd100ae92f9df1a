import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { runCli } from "../../helpers/run-cli.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

const verbs = [
	"demo",
	"cloud",
	"device",
	"fleet",
	"infer",
	"compile",
	"doctor",
	"provision init",
	"provision device",
	"provision request",
	"provision revoke",
	"provision list",
	"trail verify",
];

test.serial("--help names every verb and every exit code", async (t) => {
	const { exitCode, stdout } = await runCli(["--help"]);
	t.is(exitCode, 0);
	for (const verb of verbs) t.regex(stdout, new RegExp(`^  ${verb.split(" ")[0]} `, "m"));
	for (const code of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]) t.regex(stdout, new RegExp(`^ +${code}  \\w`, "m"));
});

for (const verb of verbs) {
	test.serial(`${verb} --help shows options with their variables, and examples`, async (t) => {
		const { exitCode, stdout } = await runCli([...verb.split(" "), "--help"]);
		t.is(exitCode, 0);
		t.true(stdout.includes(`Usage: psgl ${verb}`));
		t.true(stdout.includes(`Examples:\n  psgl ${verb}`));
		t.true(stdout.includes("--json"));
		t.true(stdout.includes("[PSGL_CONFIG]"));
	});
}

test.serial("an unknown verb ends with 2 and names the verbs there are", async (t) => {
	const { exitCode, stderr, stdout } = await runCli(["train"]);
	t.is(exitCode, 2);
	t.is(stdout, "");
	t.regex(stderr, /PSGL_USAGE: unknown command 'train'/);
	t.regex(stderr, /expected: +one of .*compile/);
});

test.serial("no verb ends with 2", async (t) => {
	const { exitCode, stderr } = await runCli([]);
	t.is(exitCode, 2);
	t.regex(stderr, /no verb was given/);
});

test.serial("an unknown option ends with 2", async (t) => {
	const { exitCode, stderr } = await runCli(["doctor", "--speed", "9"]);
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_USAGE: unknown option '--speed'/);
});

test.serial("a missing option says how to give it", async (t) => {
	const { exitCode, stderr } = await runCli(["compile", "--zoo", "lenet"]);
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_OPTION_MISSING: --input is missing/);
	t.regex(stderr, /what to do: Give --input, set PSGL_INPUT, or write input in the configuration file/);
});

test.serial("an option out of range names the option, what was got and what is expected", async (t) => {
	const { exitCode, stderr } = await runCli(["doctor", "--port", "70000"]);
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_OPTION: --port cannot be used\n {2}got: +70000\n {2}expected: /);
});

test.serial("text where a number has to be is refused, and so is an empty value", async (t) => {
	for (const port of ["fast", ""]) {
		const { exitCode, stderr } = await runCli(["doctor", "--port", port]);
		t.is(exitCode, 2);
		t.true(stderr.includes(`got:        ${JSON.stringify(port)}`), stderr);
	}
});

test.serial("a variable of the environment is named when it cannot be used", async (t) => {
	const { exitCode, stderr } = await runCli(["doctor"], { env: { PSGL_PORT: "-1" } });
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_PORT cannot be used/);
});

test.serial("with --json an error is an event of type error too", async (t) => {
	const { exitCode, events, stderr } = await runCli(["doctor", "--json", "--port", "-1"]);
	t.is(exitCode, 2);
	t.like(events.at(-1), { type: "error", code: "PSGL_OPTION", what: "--port cannot be used", got: "-1" });
	t.regex(stderr, /PSGL_OPTION/);
});

test.serial("a flag wins over a variable, a variable over the file, the file over the default", async (t) => {
	const config = join(await temporaryFolder(t), "psgl.json");
	await writeFile(
		config,
		JSON.stringify({ compile: { zoo: "of-the-file", input: "1x8x8", classes: "2", output: "x.psgl" } }),
	);
	const chosen = async (args: string[], env: Record<string, string>): Promise<string | undefined> => {
		const { stderr } = await runCli(["compile", "--config", config, ...args], { env });
		return /got: +(.*)/.exec(stderr)?.[1];
	};
	t.is(await chosen([], {}), "of-the-file");
	t.is(await chosen([], { PSGL_ZOO: "of-the-variable" }), "of-the-variable");
	t.is(await chosen(["--zoo", "of-the-flag"], { PSGL_ZOO: "of-the-variable" }), "of-the-flag");
});

test.serial(
	"a configuration file with an unknown option, of a wrong type, not JSON, or not there ends with 2",
	async (t) => {
		const folder = await temporaryFolder(t);
		const cases = {
			"unknown.json": ['{"doctor":{"prot":1883}}', /PSGL_CONFIG_INVALID[\s\S]*prot/],
			"type.json": ['{"doctor":{"port":"1883"}}', /PSGL_CONFIG_INVALID[\s\S]*doctor\.port/],
			"verb.json": ['{"docter":{}}', /PSGL_CONFIG_INVALID[\s\S]*docter/],
			"text.json": ["port = 1883", /PSGL_CONFIG_UNREADABLE/],
		} as const;
		for (const [name, [content, message]] of Object.entries(cases)) {
			await writeFile(join(folder, name), content);
			const { exitCode, stderr } = await runCli(["doctor", "--config", join(folder, name)]);
			t.is(exitCode, 2, name);
			t.regex(stderr, message);
		}
		const missing = await runCli(["doctor", "--config", join(folder, "nowhere.json")]);
		t.is(missing.exitCode, 2);
		t.regex(missing.stderr, /PSGL_CONFIG_UNREADABLE[\s\S]*nowhere\.json/);
	},
);
