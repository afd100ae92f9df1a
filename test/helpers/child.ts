import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A helper of these tests in a process of its own, which tells of itself by messages with a `type`. */
export class Child implements AsyncDisposable {
	readonly #process: ChildProcess;
	readonly #messages: { readonly type: string }[] = [];
	#wake: (() => void) | undefined;
	#exited = false;

	/**
	 * @param file name of the compiled helper, for instance `device-process.js`
	 * @param launcher a program and its arguments, which runs what follows them in the same process
	 */
	constructor(file: string, args: readonly string[], launcher?: readonly [string, ...string[]]) {
		const [execPath, ...execArgv] = launcher ?? [process.execPath];
		const own = launcher === undefined ? execArgv : [...execArgv, process.execPath];
		this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execPath, execArgv: own });
		this.#process.on("message", (message) => {
			this.#messages.push(message as { type: string });
			this.#wake?.();
		});
		this.#process.on("exit", () => {
			this.#exited = true;
			this.#wake?.();
		});
	}

	get pid(): number {
		return this.#process.pid as number;
	}

	/** The next message of this type; those before it are dropped. */
	async next<T extends object = object>(type: string): Promise<T> {
		for (;;) {
			const message = this.#messages.shift();
			if (message?.type === type) return message as unknown as T;
			if (message !== undefined) continue;
			if (this.#exited) throw new Error(`the process ended before it told of ${type}`);
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}

	/** Sends it a message. */
	send(message: string): void {
		this.#process.send(message);
	}

	/** Kills the process as a power cut would: nothing of it runs any more. */
	async kill(): Promise<void> {
		if (this.#exited) return;
		const exit = once(this.#process, "exit");
		this.#process.kill("SIGKILL");
		await exit;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.kill();
	}
}
