import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "./find-program.js";

/** NATS servers with JetStream on loopback, one or a cluster, that tests kill and start again on their ports and folders. */
export class NatsServers implements AsyncDisposable {
	readonly urls: readonly string[];
	readonly #folder: string;
	readonly #processes: (ChildProcess | undefined)[] = [];

	private constructor(folder: string, ports: readonly number[]) {
		this.#folder = folder;
		this.urls = ports.map((port) => `nats://127.0.0.1:${port}`);
	}

	/**
	 * Resolves when every server listens. A cluster may still have to elect its leader.
	 * @param configuration of a single server, with `LISTEN` where its address goes
	 */
	static async start(count = 1, configuration?: string): Promise<NatsServers> {
		const folder = await mkdtemp(join(tmpdir(), "psgl-nats-"));
		const ports = await freePorts(2 * count);
		const servers = new NatsServers(folder, ports.slice(0, count));
		const routes = ports.slice(count).map((port) => `"nats-route://127.0.0.1:${port}"`);
		for (let i = 0; i < count; i++) {
			const cluster = `cluster { name: test, listen: "127.0.0.1:${ports[count + i]}", routes: [${routes}] }\n`;
			await writeFile(
				servers.#config(i),
				configuration?.replace("LISTEN", `127.0.0.1:${ports[i]}`) ??
					`server_name: n${i}\nlisten: "127.0.0.1:${ports[i]}"\njetstream { store_dir: "${join(folder, `n${i}`)}" }\n${count > 1 ? cluster : ""}`,
			);
		}
		await Promise.all(servers.urls.map((_, i) => servers.run(i)));
		return servers;
	}

	/** Starts a server that does not run. */
	async run(index = 0): Promise<void> {
		// A test that is killed takes its servers with it, where the system can see to that.
		const guard = findProgram("setpriv") === undefined ? [] : ["setpriv", "--pdeathsig", "KILL"];
		const [program = "", ...words] = [...guard, findProgram("nats-server") ?? "nats-server", "-c", this.#config(index)];
		const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
		this.#processes[index] = child;
		let output = "";
		await new Promise<void>((resolve, reject) => {
			child.stderr?.setEncoding("utf8").on("data", (text: string) => {
				output = (output + text).slice(-4000);
				if (text.includes("Listening for client connections")) resolve();
			});
			child.once("error", reject);
			child.once("exit", () => reject(new Error(`nats-server ended: ${output}`)));
		});
	}

	/** Ends a server as a power cut does, but for the operating system's cache. */
	async kill(index = 0): Promise<void> {
		const child = this.#processes[index];
		if (child === undefined) return;
		this.#processes[index] = undefined;
		const ended = once(child, "exit");
		child.kill("SIGKILL");
		await ended;
	}

	async killAll(): Promise<void> {
		await Promise.all(this.urls.map((_, i) => this.kill(i)));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.killAll();
		await rm(this.#folder, { recursive: true, force: true });
	}

	#config(index: number): string {
		return join(this.#folder, `n${index}.conf`);
	}
}

/** Ports that were free a moment ago: a server that comes back needs its own again. */
async function freePorts(count: number): Promise<readonly number[]> {
	const servers = await Promise.all(
		Array.from({ length: count }, async () => {
			const server = createServer().listen(0, "127.0.0.1");
			await once(server, "listening");
			return server;
		}),
	);
	const ports = servers.map((server) => (server.address() as { port: number }).port);
	await Promise.all(servers.map((server) => once(server.close(), "close")));
	return ports;
}
