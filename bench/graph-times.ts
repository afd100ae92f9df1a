import type { Runtime } from "@psgl/sdk";

/** A runtime that counts what its graphs do. */
export class GraphTimes implements Runtime {
	readonly version: string;
	/** Seconds by the clock that runs took, one after the other or side by side. */
	seconds = 0;
	/** Runs of `server/infer`, and samples in them. */
	readonly decisions = { runs: 0, samples: 0 };
	readonly #runtime: Runtime;

	constructor(runtime: Runtime) {
		this.version = runtime.version;
		this.#runtime = runtime;
	}

	load: Runtime["load"] = async (model, options) => {
		const session = await this.#runtime.load(model, options);
		const takes = new Set(session.inputNames);
		const isDecision = takes.has("smashed") && takes.has("params") && !takes.has("slots") && !takes.has("mask");
		const run = session.run.bind(session);
		session.run = async (feeds, ...rest) => {
			if (isDecision) {
				this.decisions.runs++;
				this.decisions.samples += feeds.smashed?.dims[0] ?? 0;
			}
			const start = performance.now();
			const results = await run(feeds, ...rest);
			this.seconds += (performance.now() - start) / 1000;
			return results;
		};
		return session;
	};
}
