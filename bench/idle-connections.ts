import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";

/** What devices that wait cost the process of broker and aggregator. */
export interface IdleRow {
	readonly connections: number;
	/** Growth of its resident memory for each, after a collection. */
	readonly kibEach: number;
	/** Growth of JavaScript's heap for each. */
	readonly heapKibEach: number;
	readonly load: number;
}

interface Memory {
	readonly residentKib: number;
	readonly peakKib: number;
	readonly heapKib: number;
}

/** Starts a program beside this one. */
export function started(program: string, ...args: string[]): ChildProcess {
	return fork(new URL(`./${program}.js`, import.meta.url).pathname, args);
}

/** Waits for a message of a process that has `key`. */
export async function told<T>(child: ChildProcess, key: string): Promise<T> {
	const over = new AbortController();
	const { signal } = over;
	const ended = once(child, "exit", { signal }).then(([code]): never => {
		throw new Error(`a process of the benchmark ended with ${code}`);
	});
	ended.catch(() => undefined);
	try {
		for (;;) {
			const [message] = (await Promise.race([once(child, "message", { signal }), ended])) as [T];
			if (typeof message === "object" && message !== null && key in message) return message;
		}
	} finally {
		over.abort();
	}
}

/** The memory of the cloud's process after a collection. */
export async function memoryOf(cloud: ChildProcess): Promise<Memory> {
	cloud.send("memory");
	return told<Memory>(cloud, "residentKib");
}

/** Memory of the cloud's process before and after `count` devices have connected and were welcomed. */
export async function measureIdle(count: number): Promise<IdleRow> {
	const cloud = started("cloud-under-test", JSON.stringify({ minDevices: 1 }));
	try {
		const { port } = await told<{ port: number }>(cloud, "port");
		// The first connections load and compile what all others use.
		const first = started("idle-clients", String(port), "64");
		await told(first, "connected");
		first.disconnect();
		await once(first, "exit");
		await memoryOf(cloud);
		const before = await memoryOf(cloud);
		const clients = started("idle-clients", String(port), String(count));
		const { connected } = await told<{ connected: number }>(clients, "connected");
		await memoryOf(cloud);
		const after = await memoryOf(cloud);
		clients.disconnect();
		const each = (of: "residentKib" | "heapKib") => Number(((after[of] - before[of]) / connected).toFixed(1));
		const load = Number(loadavg()[0]?.toFixed(2));
		return { connections: connected, kibEach: each("residentKib"), heapKibEach: each("heapKib"), load };
	} finally {
		cloud.kill();
	}
}
