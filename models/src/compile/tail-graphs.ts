import type { TailSettings } from "@psgl/sdk/artifact";
import { differentiate } from "../autodiff/differentiate.js";
import { int } from "../graph/attribute.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Graph, Value } from "../graph/graph.js";
import { ParameterLayout } from "../layers/parameter-layout.js";
import { bindSegment, type ParameterScope } from "../layers/parameter-scope.js";
import { lossOf, targetShape } from "../losses/loss.js";
import { castTo } from "../operators/constants.js";
import { featuresInput, stack, tailLogits } from "./device-tail.js";
import { batchDim, type ModelDefinition, type ModelLayout } from "./model-definition.js";
import { recover, sharedInputs, stackedScores, streamLogits } from "./server-streams.js";

/** The graphs that a tail on the device adds. */
export function tailGraphs(definition: ModelDefinition, layout: ModelLayout, tail: TailSettings): readonly Graph[] {
	return [
		clientTailGraph(definition, layout, tail),
		clientDecideGraph(definition, layout, tail),
		serverFeaturesGraph(definition, layout),
	];
}

/** `client/tail`: the loss of each stream by the device's own labels, and their gradient at the features, [B,streams,F]. */
function clientTailGraph(definition: ModelDefinition, layout: ModelLayout, tail: TailSettings): Graph {
	const g = new GraphBuilder("client/tail");
	const features = featuresInput(g, definition, tail);
	const target = g.input("y", "int64", targetShape(definition.loss, batchDim, definition.classes.length));
	const losses = tailLosses(g, definition, { features, target, scope: tailScope(g, layout) });
	const [gradient] = differentiate(
		g,
		losses.map((value) => ({ value })),
		[features],
	);
	g.output("featureGradient", gradient as Value);
	const rows = losses.map((loss) => g.add("Unsqueeze", [loss, g.ints([0])]));
	g.output("losses", g.add("Concat", rows, { axis: int(0) }));
	return g.build();
}

/** `client/decide`: probabilities of the streams and of the decision, [B,streams+1,K], from features. */
function clientDecideGraph(definition: ModelDefinition, layout: ModelLayout, tail: TailSettings): Graph {
	const g = new GraphBuilder("client/decide");
	const features = featuresInput(g, definition, tail);
	g.output("scores", stackedScores(g, definition, tailLogits(g, definition, tailScope(g, layout), features)));
	return g.build();
}

/** `server/features`: what the streams make of smashed data in training, [B,streams,F]; `server/train` makes the same again. */
function serverFeaturesGraph(definition: ModelDefinition, layout: ModelLayout): Graph {
	const g = new GraphBuilder("server/features");
	const smashed = g.input("smashed", "float32", [batchDim, ...layout.smashedShape]);
	const params = g.input("params", "float32", [layout.server.params.length]);
	const stats = g.input("stats", "float32", [layout.server.stats.length]);
	const step = g.input("step", "float32", []);
	const scope = bindSegment(g, layout.server, params, stats).scope(true, () => castTo(g, step, "int64"));
	const { recovered } = recover(g, definition, smashed, "straight-through");
	g.output("features", stack(g, streamLogits(g, definition, scope, sharedInputs(smashed, recovered))));
	return g.build();
}

/** The loss of each stream on the device's labels. */
export function tailLosses(
	g: GraphBuilder,
	definition: ModelDefinition,
	{ features, target, scope }: { readonly features: Value; readonly target: Value; readonly scope: ParameterScope },
): readonly Value[] {
	return tailLogits(g, definition, scope, features).map((logits) => lossOf(g, definition.loss, { logits, target }));
}

/** The tail has no running statistics. */
function tailScope(g: GraphBuilder, { client }: ModelLayout): ParameterScope {
	const params = g.input("params", "float32", [client.params.length]);
	return bindSegment(g, { params: client.params, stats: new ParameterLayout([]) }, params, g.floats([])).scope(false);
}
