import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A Python process that answers each line of JSON with one. */
export interface PythonProcess {
	/** The first line the program printed: its version. */
	readonly version: string;
	ask(request: object): Promise<unknown>;
	close(): Promise<void>;
}

/** Starts the system's Python with these arguments; undefined where it, or a module the program needs, is missing. */
export async function startPython(threads: number, args: readonly string[]): Promise<PythonProcess | undefined> {
	const child = spawn("/usr/bin/python3", [...args], {
		stdio: ["pipe", "pipe", "ignore"],
		env: { ...process.env, OMP_NUM_THREADS: String(threads) },
	});
	child.on("error", () => {});
	child.stdin.on("error", () => {});
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	const answer = async (): Promise<unknown> => {
		const { value, done } = await lines.next();
		return done ? undefined : JSON.parse(value);
	};
	const version = await answer();
	if (typeof version !== "string") return undefined;
	return {
		version,
		ask(request) {
			child.stdin.write(`${JSON.stringify(request)}\n`);
			return answer();
		},
		close: () =>
			new Promise((resolve) => {
				child.once("exit", () => resolve());
				child.stdin.end();
			}),
	};
}
