import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a process tells, besides what it tells of the event. */
export interface Told {
	readonly type: string;
}

export interface ParticipantOptions<T extends Told> {
	/** Compiled module beside this one. */
	readonly file: string;
	/** What the process is told when it starts. */
	readonly options: () => unknown;
	readonly onMessage: (message: T) => void;
	/** Events that show that it works again after a kill. */
	readonly signsOfLife: readonly string[];
	/** It ended without having been killed. */
	readonly onEnd: (code: number | null) => void;
}

/** A process that is killed and started again. */
export class Participant<T extends Told> {
	/** Seconds from each kill to the next sign of life. */
	readonly recoverySeconds: number[] = [];
	readonly #options: ParticipantOptions<T>;
	#process: ChildProcess | undefined;
	#killedAt: number | undefined;

	constructor(options: ParticipantOptions<T>) {
		this.#options = options;
		this.#start();
	}

	/** It has been killed and not been heard of since. */
	get recovering(): boolean {
		return this.#killedAt !== undefined;
	}

	get running(): boolean {
		return this.#process !== undefined;
	}

	send(message: object): void {
		this.#process?.send(message);
	}

	/** Ends the process at once, as a power cut does, and starts it again. */
	async kill(): Promise<void> {
		await this.end();
		this.#killedAt ??= performance.now();
		this.#start();
	}

	async end(): Promise<void> {
		const running = this.#process;
		if (running === undefined) return;
		this.#process = undefined;
		const exit = once(running, "exit");
		running.kill("SIGKILL");
		await exit;
	}

	#start(): void {
		const { file, options, onMessage, onEnd, signsOfLife } = this.#options;
		const started = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(options())]);
		this.#process = started;
		started.on("message", (message) => {
			const told = message as T;
			if (this.#killedAt !== undefined && signsOfLife.includes(told.type)) {
				this.recoverySeconds.push((performance.now() - this.#killedAt) / 1000);
				this.#killedAt = undefined;
			}
			onMessage(told);
		});
		started.on("exit", (code) => {
			if (this.#process !== started) return;
			this.#process = undefined;
			onEnd(code);
		});
	}
}
