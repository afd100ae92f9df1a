import {
	bindSegment,
	encodeModel,
	GraphBuilder,
	type ImportedNetwork,
	modelLayout,
	presetDefinition,
} from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

/** Output and next running statistics of both halves of an imported network in one graph, with the file's weights. */
export async function runImported(network: ImportedNetwork, x: Tensor, training: boolean) {
	const { inputShape, classes } = network.imported;
	const names = Array.from({ length: classes }, (_, i) => `class ${i}`);
	const layout = modelLayout(presetDefinition("none", network, inputShape, names));
	const g = new GraphBuilder("imported");
	const input = g.input("x", "float32", ["B", ...inputShape]);
	const [client, server] = [layout.client, layout.server].map((segment) => {
		const params = g.floats(segment.params.initialise(seededRandom(1)));
		const stats = g.floats(segment.stats.initialise(seededRandom(1)));
		return bindSegment(g, segment, params, stats).scope(training);
	});
	if (client === undefined || server === undefined) throw new Error("two halves");
	const cut = network.client(g, client, input);
	g.output("smashed", cut);
	g.output("logits", network.stream(g, server.within("A"), cut, classes));
	if (training) {
		for (const [scope, segment, prefix] of [
			[client, layout.client, ""],
			[server, layout.server, "A."],
		] as const) {
			for (const { name } of segment.stats.entries) {
				const next = scope.nextStatistic(name);
				if (next !== undefined) g.output(`next ${name.slice(prefix.length)}`, next);
			}
		}
	}
	await using session = await nodeRuntime.load(encodeModel(g.build()));
	return await session.run({ x });
}
