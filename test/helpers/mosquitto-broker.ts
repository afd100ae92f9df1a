import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { findProgram } from "./find-program.js";
import { runProgram } from "./run-program.js";
import { temporaryFolder } from "./temporary-folder.js";

/** Mosquitto on loopback, which keeps its sessions on the disk; tests end it and start it again. */
export class MosquittoBroker {
	readonly url: string;
	readonly #file: string;
	#process: ChildProcess | undefined;

	private constructor(url: string, file: string) {
		this.url = url;
		this.#file = file;
	}

	/** @param user the only one it lets in; without, everybody */
	static async start(
		t: ExecutionContext,
		user?: { readonly name: string; readonly password: string },
	): Promise<MosquittoBroker> {
		const folder = await temporaryFolder(t);
		const server = createServer().listen(0, "127.0.0.1");
		await once(server, "listening");
		const { port } = server.address() as { port: number };
		await once(server.close(), "close");
		const file = join(folder, "mosquitto.conf");
		const lines = [`listener ${port} 127.0.0.1`, `allow_anonymous ${user === undefined}`, "persistence true"];
		if (user !== undefined) {
			const passwords = join(folder, "passwords");
			await runProgram("mosquitto_passwd", ["-b", "-c", passwords, user.name, user.password]);
			lines.push(`password_file ${passwords}`);
		}
		lines.push(`persistence_location ${folder}/`, "user root", "max_inflight_messages 0", "max_queued_messages 0");
		await writeFile(file, `${lines.join("\n")}\n`);
		const broker = new MosquittoBroker(`mqtt://127.0.0.1:${port}`, file);
		t.teardown(() => broker.stop("SIGKILL"));
		await broker.run();
		return broker;
	}

	async run(): Promise<void> {
		const child = spawn(findProgram("mosquitto") ?? "mosquitto", ["-c", this.#file], {
			stdio: ["ignore", "ignore", "pipe"],
		});
		this.#process = child;
		await new Promise<void>((resolve, reject) => {
			child.stderr?.setEncoding("utf8").on("data", (text: string) => {
				if (/mosquitto version .* running/.test(text)) resolve();
			});
			child.once("error", reject);
			child.once("exit", (code) => reject(new Error(`mosquitto ended with ${code}`)));
		});
	}

	/** SIGTERM lets it write its sessions down; SIGKILL does not. */
	async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
		const child = this.#process;
		if (child === undefined) return;
		this.#process = undefined;
		const ended = once(child, "exit");
		child.kill(signal);
		await ended;
	}
}
