import { ConfigError } from "@psgl/sdk";
import { Command, CommanderError, Option as CommanderOption } from "commander";
import { exitCodeOf, exitCodes } from "./exit-codes.js";
import { interruptSignal } from "./interrupt.js";
import { readConfigSection } from "./options/config-file.js";
import { defaultValue, flagName, type Option, variableName } from "./options/option.js";
import { resolveOptions } from "./options/resolve-options.js";
import { Output } from "./output.js";
import type { Verb } from "./verb.js";
import { version } from "./version.js";

/** Runs one command line, without the program's name, of a program with these verbs; resolves to its exit code. */
export async function runCli(args: readonly string[], verbs: readonly Verb[]): Promise<number> {
	const json = args.includes("--json") || process.env.PSGL_JSON === "1";
	const output = new Output(json, process.stdout, process.stderr);
	endQuietlyWhenReaderLeaves();
	const interrupt = interruptSignal(() =>
		output.event("interrupted", {}, "Stopping; press Ctrl-C again to stop at once."),
	);
	let exitCode = 0;
	const program = new Command("psgl")
		.description("Split learning for medical devices: training without the data leaving the device.")
		.version(version)
		.addHelpText("after", exitCodeHelp())
		.exitOverride()
		.configureOutput({ writeErr: () => {} });
	for (const verb of verbs) {
		const words = verb.name.split(" ");
		const last = words.pop() as string;
		const parent = words.reduce((above, word) => commandGroup(above, word, verbs), program);
		addVerb(parent.command(last), verb, async (flags) => {
			const { config, json: _json, ...own } = flags;
			const path = typeof config === "string" ? config : process.env.PSGL_CONFIG;
			const file = path === undefined ? {} : await readConfigSection(path, verb.name, verbs);
			const values = resolveOptions(verb.options, { flags: own, environment: process.env, file });
			exitCode = await verb.run(values, { output, signal: interrupt.signal });
		});
	}
	try {
		await program.parseAsync(args, { from: "user" });
	} catch (error) {
		if (error instanceof CommanderError && error.exitCode === 0) return 0;
		const shown = error instanceof CommanderError ? usageError(error, program) : error;
		exitCode = exitCodeOf(shown, interrupt.signal);
		output.error(shown);
	} finally {
		output.close();
		interrupt.dispose();
	}
	return exitCode;
}

type Flags = Record<string, string | boolean | undefined>;

function addVerb(command: Command, verb: Verb, run: (flags: Flags) => Promise<void>): void {
	command.summary(verb.summary).description(verb.description);
	for (const [key, option] of Object.entries(verb.options)) command.addOption(commanderOption(key, option));
	if (verb.positional !== undefined) command.argument(`[${verb.positional}]`, `as ${flagName(verb.positional)}`);
	command
		.option("--json", "print events as JSON, one a line, the result last [PSGL_JSON=1]")
		.option("--config <FILE>", "JSON file with options, see docs/configuration.md [PSGL_CONFIG]")
		.addHelpText(
			"after",
			`\nExamples:\n${verb.examples.map(({ command, does }) => `  ${command}\n      ${does}`).join("\n")}`,
		)
		.addHelpText(
			"after",
			`\nAn option comes from its flag, else from its variable, else from the ${verb.name} section of the file given\nwith --config, else from its default.`,
		)
		.action((first: string | Flags | undefined, flags: Flags) => {
			if (verb.positional === undefined) return run(first as Flags);
			return run(first === undefined ? flags : { ...flags, [verb.positional]: first as string });
		});
}

/** The command that verbs of two words stand under. */
function commandGroup(parent: Command, word: string, verbs: readonly Verb[]): Command {
	const known = parent.commands.find((command) => command.name() === word);
	if (known !== undefined) return known;
	const members = verbs.map(({ name }) => name.split(" ")).filter(([first, second]) => first === word && second);
	const names = members.map(([, second]) => second).join(", ");
	return parent.command(word).summary(names).description(`One of: ${names}.`);
}

function commanderOption(key: string, { schema, value, short }: Option): CommanderOption {
	const flags = `${short === undefined ? "" : `${short}, `}${flagName(key)}${value === undefined ? "" : ` <${value}>`}`;
	const preset = defaultValue(schema);
	const shown = preset === undefined || preset === false ? "" : ` (default: ${String(preset)})`;
	return new CommanderOption(flags, `${schema.description ?? ""}${shown} [${variableName(key)}]`);
}

function usageError(error: CommanderError, program: Command): ConfigError {
	const names = program.commands.map((command) => command.name()).join(", ");
	const noVerb = error.code === "commander.help";
	return new ConfigError("PSGL_USAGE", {
		what: noVerb ? "no verb was given" : error.message.replace(/^error: /, "").trim(),
		expected: noVerb || error.code === "commander.unknownCommand" ? `one of ${names}` : undefined,
		remedy: "See psgl --help, or psgl VERB --help",
	});
}

function exitCodeHelp(): string {
	const lines = exitCodes.map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`);
	return `\nExit codes:\n${lines.join("\n")}`;
}

/** `psgl demo | head` closes the pipe: that is no fault of psgl, and nobody is left to read of it. */
function endQuietlyWhenReaderLeaves(): void {
	process.stdout.on("error", (error: NodeJS.ErrnoException) => {
		if (error.code === "EPIPE") process.exit(0);
		throw error;
	});
}
