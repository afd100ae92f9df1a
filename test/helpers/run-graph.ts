import { encodeModel, GraphBuilder } from "@psgl/models";
import type { Session, Tensor, Tensors } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

/** Compiles a graph written in a test. The caller closes the session. */
export async function compileGraph(build: (g: GraphBuilder) => void): Promise<Session> {
	const g = new GraphBuilder("test");
	build(g);
	return nodeRuntime.load(encodeModel(g.build()));
}

/** Compiles a graph written in a test, runs it once in ONNX Runtime and returns its outputs. */
export async function runGraph(build: (g: GraphBuilder) => void, feeds: Tensors): Promise<Record<string, Tensor>> {
	await using session = await compileGraph(build);
	return await session.run(feeds);
}
