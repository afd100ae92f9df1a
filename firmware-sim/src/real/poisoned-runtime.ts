import type { Runtime, Tensor, Tensors } from "@psgl/sdk";

/** The runtime of a device that poisons: each step of its client segment goes as far as it should, the other way. */
export function poisonedRuntime(runtime: Runtime): Runtime {
	return {
		version: runtime.version,
		load: async (model, options) => {
			const session = await runtime.load(model, options);
			const close = () => session.close();
			return {
				inputNames: session.inputNames,
				outputNames: session.outputNames,
				close,
				[Symbol.asyncDispose]: close,
				run: async (feeds, ...rest) => {
					const outputs = await session.run(feeds, ...rest);
					for (const name of ["params", "head"]) {
						const next = outputs[`next_${name}`];
						if (next !== undefined) outputs[`next_${name}`] = turned(feeds, name, next);
					}
					return outputs;
				},
			};
		},
	};
}

function turned(feeds: Tensors, name: string, next: Tensor): Tensor {
	const { data } = feeds[name] as Tensor<"float32">;
	const after = next as Tensor<"float32">;
	return { ...after, data: after.data.map((value, i) => 2 * (data[i] as number) - value) };
}
