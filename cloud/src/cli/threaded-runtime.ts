import type { Runtime } from "@psgl/sdk";

/** The runtime with another number of threads for sessions that do not ask for one themselves. */
export function threadedRuntime(runtime: Runtime, threads: number): Runtime {
	return { version: runtime.version, load: (model, options) => runtime.load(model, { threads, ...options }) };
}
