import { elementCount } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { allKept, type DropoutOptions, type Dropped, dropout } from "./dropout.js";
import { type Initialiser, type LayoutEntry, ParameterLayout } from "./parameter-layout.js";

/** Parameters and running statistics of one segment. */
export interface SegmentLayout {
	readonly params: ParameterLayout;
	readonly stats: ParameterLayout;
}

/** Gives the number that dropout masks are drawn from, an int64 []: another one for every step. */
export type DropoutSeed = () => Value;

type Source = (name: string, shape: readonly number[], initialiser: Initialiser) => Value;

/**
 * Hands a network its parameters by name while its graph is built. A network is built once to find
 * out which parameters it has (`declareSegment`), then as often as needed with the parameters cut
 * out of a flat vector (`bindSegment`).
 */
export class ParameterScope {
	/** Normalise by the statistics of the batch (and update the running ones) rather than by the running ones. */
	readonly training: boolean;
	readonly #dropoutSeed: DropoutSeed | undefined;
	readonly #prefix: string;
	readonly #params: Source;
	readonly #stats: Source;
	readonly #nextStats: Map<string, Value>;

	/** @param dropoutSeed left out: nothing is dropped. */
	constructor(
		training: boolean,
		params: Source,
		stats: Source,
		dropoutSeed?: DropoutSeed,
		prefix = "",
		nextStats = new Map<string, Value>(),
	) {
		this.training = training;
		this.#dropoutSeed = dropoutSeed;
		this.#params = params;
		this.#stats = stats;
		this.#prefix = prefix;
		this.#nextStats = nextStats;
	}

	/** The scope of a part of the network. */
	within(name: string): ParameterScope {
		const prefix = `${this.#prefix}${name}.`;
		return new ParameterScope(this.training, this.#params, this.#stats, this.#dropoutSeed, prefix, this.#nextStats);
	}

	/** A trained tensor. */
	parameter(name: string, shape: readonly number[], initialiser: Initialiser): Value {
		return this.#params(this.#prefix + name, shape, initialiser);
	}

	/** A running statistic, which training updates without a gradient. */
	statistic(name: string, shape: readonly number[], initialiser: Initialiser): Value {
		return this.#stats(this.#prefix + name, shape, initialiser);
	}

	/** Dropout of x [B,...] by a mask of its own name and the step's seed; x itself where the pass drops nothing. */
	dropout(g: GraphBuilder, x: Value, { ratio, name }: Omit<DropoutOptions, "seed">): Dropped {
		if (this.#dropoutSeed === undefined) return { y: x, kept: allKept(g, x) };
		return dropout(g, x, { ratio, seed: this.#dropoutSeed(), name: this.#prefix + name });
	}

	/** Records what a running statistic becomes after this batch. */
	updateStatistic(name: string, value: Value): void {
		this.#nextStats.set(this.#prefix + name, value);
	}

	/** What the statistic called `name` (with its whole prefix) becomes. */
	nextStatistic(name: string): Value | undefined {
		return this.#nextStats.get(name);
	}
}

/** Builds a network on a scratch graph to find its parameters. */
export function declareSegment(g: GraphBuilder, build: (scope: ParameterScope) => void): SegmentLayout {
	const params: Omit<LayoutEntry, "offset">[] = [];
	const stats: Omit<LayoutEntry, "offset">[] = [];
	const collect =
		(entries: Omit<LayoutEntry, "offset">[]): Source =>
		(name, shape, initialiser) => {
			entries.push({ name, shape, initialiser });
			return g.input(name, "float32", shape);
		};
	build(new ParameterScope(true, collect(params), collect(stats)));
	return { params: new ParameterLayout(params), stats: new ParameterLayout(stats) };
}

/** A segment's parameters cut out of flat vectors inside a graph. */
export interface BoundSegment {
	readonly layout: SegmentLayout;
	/** Value of each entry of `layout.params`, in that order. */
	readonly values: readonly Value[];
	readonly statistics: readonly Value[];
	/**
	 * A scope for one pass through the network; several passes share the parameters, not the statistics' updates.
	 * @param dropoutSeed left out: nothing is dropped.
	 */
	scope(training: boolean, dropoutSeed?: DropoutSeed): ParameterScope;
}

/** Cuts `params` [P] and `stats` [Q] into the tensors of `layout`. */
export function bindSegment(g: GraphBuilder, layout: SegmentLayout, params: Value, stats: Value): BoundSegment {
	return bindTensors(g, layout, unpack(g, layout.params.entries, params), stats);
}

/** The same where the parameters are tensors already, one for each entry of the layout. */
export function bindTensors(
	g: GraphBuilder,
	layout: SegmentLayout,
	values: readonly Value[],
	stats: Value,
): BoundSegment {
	const statistics = unpack(g, layout.stats.entries, stats);
	const lookup = (entries: readonly LayoutEntry[], bound: readonly Value[]): Source => {
		const byName = new Map(entries.map((e, i) => [e.name, bound[i] as Value]));
		return (name) => byName.get(name) as Value;
	};
	return {
		layout,
		values,
		statistics,
		scope: (training, dropoutSeed) =>
			new ParameterScope(
				training,
				lookup(layout.params.entries, values),
				lookup(layout.stats.entries, statistics),
				dropoutSeed,
			),
	};
}

/** Splits a flat vector into shaped tensors. */
export function unpack(g: GraphBuilder, entries: readonly LayoutEntry[], flat: Value): readonly Value[] {
	if (entries.length === 0) return [];
	const sizes = entries.map((e) => elementCount(e.shape));
	const parts = sizes.length === 1 ? [flat] : g.addMany("Split", [flat, g.ints(sizes)], sizes.length, { axis: int(0) });
	return entries.map((e, i) =>
		e.shape.length === 1 ? (parts[i] as Value) : g.add("Reshape", [parts[i] as Value, g.ints(e.shape)]),
	);
}

/** Lays tensors one after the other into a flat vector; `undefined` ones count as zeros. */
export function pack(
	g: GraphBuilder,
	{ entries }: Pick<ParameterLayout, "entries">,
	values: readonly (Value | undefined)[],
): Value {
	const flat = entries.map((e, i) => {
		const value = values[i];
		if (value === undefined) return g.floats(new Float32Array(elementCount(e.shape)));
		return value.shape.length === 1 ? value : g.add("Reshape", [value, g.ints([-1])]);
	});
	if (flat.length === 0) return g.floats([]);
	return flat.length === 1 ? (flat[0] as Value) : g.add("Concat", flat, { axis: int(0) });
}

/** The statistics vector after a training pass through `scope`. */
export function packStatistics(g: GraphBuilder, segment: BoundSegment, scope: ParameterScope): Value {
	return pack(
		g,
		segment.layout.stats,
		segment.layout.stats.entries.map((e, i) => scope.nextStatistic(e.name) ?? (segment.statistics[i] as Value)),
	);
}
