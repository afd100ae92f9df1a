import { type Runtime, systemClock } from "@psgl/sdk";

/** A runtime whose training steps of the server segment take `ms` longer: stands for a larger network on a machine of its own. */
export function slowedRuntime(runtime: Runtime, ms: number): Runtime {
	return {
		version: runtime.version,
		async load(model, options) {
			const session = await runtime.load(model, options);
			const isTraining = session.inputNames.some((name) => name.startsWith("slots"));
			if (!isTraining) return session;
			const run: typeof session.run = async (...feeds) => {
				await systemClock.sleep(ms);
				return session.run(...feeds);
			};
			const close = () => session.close();
			const { inputNames, outputNames } = session;
			return { inputNames, outputNames, run, close, [Symbol.asyncDispose]: close };
		},
	};
}
