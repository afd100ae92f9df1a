import type { Runtime, Tensor, Tensors } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

type Results = Record<string, Tensor>;

/**
 * ONNX Runtime, with something done before or after each run of a graph.
 *
 * @param around gets what a graph is fed with, what runs it, and the graph's bytes; returns the results
 */
export function interceptedRuntime(
	around: (feeds: Tensors, run: () => Promise<Results>, model: Uint8Array) => Promise<Results>,
): Runtime {
	return {
		version: nodeRuntime.version,
		async load(model, options) {
			const session = await nodeRuntime.load(model, options);
			const run = session.run.bind(session);
			session.run = (feeds, fetches, into) => around(feeds, () => run(feeds, fetches, into), model);
			return session;
		},
	};
}
