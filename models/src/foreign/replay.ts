import type { Tensor } from "@psgl/sdk";
import { numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Node, Value } from "../graph/graph.js";
import { batchNormalisation } from "../layers/batch-normalisation.js";
import type { ParameterScope } from "../layers/parameter-scope.js";
import { maxPoolRectified } from "../layers/pooling.js";
import type { ForeignModel } from "./foreign-model.js";
import { pooledNormalisations } from "./pooled-normalisations.js";

/**
 * Adds nodes of a foreign model to `g`: weights from the scope, starting as the file has them; constants as they are;
 * batch normalisation with running statistics that training moves; dropout as the scope has it.
 *
 * @param given values of `g` that stand for values of the model, by the name of the latter
 * @returns the same with the values of all nodes added
 */
export function replay(
	g: GraphBuilder,
	scope: ParameterScope,
	model: ForeignModel,
	nodes: readonly Node[],
	given: ReadonlyMap<string, Value>,
): ReadonlyMap<string, Value> {
	const known = new Map(given);
	const operand = (value: Value | undefined): Value | undefined => {
		if (value === undefined) return undefined;
		const found = known.get(value.name) ?? weight(g, scope, model, value.name);
		if (found === undefined) throw new Error(`${value.name} is computed by no node in front of its reader`);
		known.set(value.name, found);
		return found;
	};
	const statistic = (name: string, tensor: Tensor): Value => {
		const value = known.get(name) ?? scope.statistic(name, tensor.dims, fromFile(tensor));
		known.set(name, value);
		return value;
	};
	const pooled = pooledNormalisations(model, nodes);
	const ofPool = new Map(pooled.map((found) => [found.pool, found]));
	// Come with the maximum behind them.
	const later = new Set(pooled.flatMap(({ normalisation, relu }) => [normalisation, relu]));
	for (const next of nodes) {
		if (later.has(next)) continue;
		const found = ofPool.get(next);
		const node = found?.normalisation ?? next;
		const [first] = next.outputs;
		const dropped = first && model.dropouts.get(first.name);
		if (first !== undefined && dropped !== undefined) {
			const { ratio, name, output } = dropped;
			const result = scope.dropout(g, operand(dropped.x) as Value, { ratio, name });
			known.set(first.name, result[output]);
			continue;
		}
		if (node.type === "MaxPool" && node.outputs.length === 1 && first !== undefined) {
			known.set(first.name, maxPoolRectified(g, operand(node.inputs[0]) as Value, node.attributes));
			continue;
		}
		const running = runningStatistics(model, node);
		if (running === undefined) {
			const inputs = node.inputs.map(operand);
			const added = g.addLike(node, inputs);
			node.outputs.forEach((output, i) => {
				if (output !== undefined) known.set(output.name, added[i] as Value);
			});
			continue;
		}
		const [x, scale, bias] = node.inputs.map((v, i) => (i < 3 ? operand(v) : undefined)) as [Value, Value, Value];
		const { mean, variance } = running;
		const result = batchNormalisation(
			g,
			x,
			{ scale, bias, mean: statistic(mean.name, mean.tensor), variance: statistic(variance.name, variance.tensor) },
			{
				training: scope.training,
				momentum: 1 - numberAttribute(node.attributes, "momentum", 0.9),
				epsilon: numberAttribute(node.attributes, "epsilon", 1e-5),
				windows: found?.pool.attributes,
			},
		);
		known.set((first as Value).name, found?.relu === undefined ? result.y : g.add("Relu", [result.y]));
		if (scope.training) {
			scope.updateStatistic(mean.name, result.nextMean);
			scope.updateStatistic(variance.name, result.nextVariance);
		}
	}
	return known;
}

interface RunningStatistic {
	readonly name: string;
	readonly tensor: Tensor;
}

/** The running mean and variance of a batch normalisation; undefined for any other node. */
function runningStatistics(
	{ constants }: ForeignModel,
	node: Node,
): { readonly mean: RunningStatistic; readonly variance: RunningStatistic } | undefined {
	if (node.type !== "BatchNormalization") return undefined;
	const [mean, variance] = [node.inputs[3], node.inputs[4]].map((value) => {
		const tensor = value && constants.get(value.name);
		return value && tensor && { name: value.name, tensor };
	});
	return mean && variance && { mean, variance };
}

function weight(g: GraphBuilder, scope: ParameterScope, model: ForeignModel, name: string): Value | undefined {
	const tensor = model.constants.get(name);
	if (tensor === undefined) return undefined;
	return model.parameters.has(name) ? scope.parameter(name, tensor.dims, fromFile(tensor)) : g.constant(tensor);
}

const fromFile = (tensor: Tensor) => ({ kind: "values", values: tensor.data as Float32Array }) as const;
