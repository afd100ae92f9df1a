import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { ExecutionContext } from "ava";

/** How a program ended. */
export interface Ended {
	readonly code: number | null;
	/** What it printed, both streams. */
	readonly output: string;
}

/** One of mosquitto's clients as a process, ended with the test. */
export class Mosquitto {
	readonly #process: ChildProcess;
	#output = "";
	#wake: (() => void) | undefined;

	constructor(t: ExecutionContext, program: "mosquitto_pub" | "mosquitto_sub", args: readonly string[]) {
		// Into a pipe its lines would wait until there are many.
		this.#process = spawn("stdbuf", ["-oL", program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
		for (const stream of [this.#process.stdout, this.#process.stderr]) {
			stream?.setEncoding("utf8").on("data", (text: string) => {
				this.#output += text;
				this.#wake?.();
			});
		}
		this.#process.on("close", () => this.#wake?.());
		t.teardown(() => this.stop());
	}

	/** Resolves when it has printed `text`; false when it ended without. */
	async prints(text: string): Promise<boolean> {
		while (!this.#output.includes(text)) {
			if (this.#process.exitCode !== null) return false;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
		return true;
	}

	/** Lets it do nothing more, as connecting again by itself. */
	freeze(): void {
		this.#process.kill("SIGSTOP");
	}

	async ended(): Promise<Ended> {
		if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, "close");
		return { code: this.#process.exitCode, output: this.#output };
	}

	async stop(): Promise<Ended> {
		this.#process.kill("SIGKILL");
		return this.ended();
	}
}
