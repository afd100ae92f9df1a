import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The root of the checkout: tests run from build/test/helpers. */
export const projectFolder = fileURLToPath(new URL("../../../", import.meta.url));

/** The built `psgl`. */
export const cliProgram = fileURLToPath(new URL("../../../cloud/dist/cli/main.js", import.meta.url));

export interface CliResult {
	readonly exitCode: number | null;
	readonly stdout: string;
	readonly stderr: string;
	/** Standard output line by line as JSON; empty without `--json`. */
	readonly events: readonly CliEvent[];
}

export type CliEvent = Readonly<Record<string, unknown>> & { readonly type: string };

export interface CliOptions {
	readonly env?: Readonly<Record<string, string>>;
	readonly cwd?: string;
	/** A program and its arguments, which runs what follows them in the same process. */
	readonly launcher?: readonly string[];
	/** Called with each event of `--json` as it comes. */
	readonly onEvent?: (event: CliEvent, child: ChildProcess) => void;
}

/** Runs the built `psgl` as a process of its own and waits for its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
	const [program = process.execPath, ...words] = [...(options.launcher ?? []), process.execPath, cliProgram, ...args];
	const child = spawn(program, words, {
		cwd: options.cwd ?? projectFolder,
		env: { ...process.env, ...options.env },
		stdio: ["ignore", "pipe", "pipe"],
	});
	let stdout = "";
	let stderr = "";
	let rest = "";
	const events: CliEvent[] = [];
	child.stdout.setEncoding("utf8").on("data", (text: string) => {
		stdout += text;
		if (!args.includes("--json")) return;
		const lines = (rest + text).split("\n");
		rest = lines.pop() ?? "";
		for (const line of lines) {
			const event = JSON.parse(line) as CliEvent;
			events.push(event);
			options.onEvent?.(event, child);
		}
	});
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		stderr += text;
	});
	return new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (exitCode) => resolve({ exitCode, stdout, stderr, events }));
	});
}
