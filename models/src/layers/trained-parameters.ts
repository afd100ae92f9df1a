import { elementCount } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { type LayoutEntry, ParameterLayout } from "./parameter-layout.js";

/** Neighbouring parameters of a flat vector that are all trained, or all frozen. */
interface Run {
	readonly frozen: boolean;
	readonly length: number;
}

/**
 * The parameters of a segment that training changes: gradients are made and optimiser state is kept for these alone.
 * `frozen` are the patterns of a definition; names are matched as PART.NAME, for instance `client.conv1.conv.weight`.
 */
export class TrainedParameters {
	/** The trained ones one after the other, without the frozen. */
	readonly layout: ParameterLayout;
	readonly #entries: readonly LayoutEntry[];
	readonly #runs: readonly Run[];
	readonly #isFrozen: (entry: LayoutEntry) => boolean;

	constructor(part: "client" | "head" | "server", { entries }: ParameterLayout, frozen: readonly string[]) {
		const patterns = frozen.map(toExpression);
		this.#isFrozen = ({ name }) => patterns.some((p) => p.test(`${part}.${name}`));
		this.#entries = entries;
		this.layout = new ParameterLayout(entries.filter((e) => !this.#isFrozen(e)));
		const runs: Run[] = [];
		for (const entry of entries) {
			const frozen = this.#isFrozen(entry);
			const length = elementCount(entry.shape);
			const last = runs.at(-1);
			if (last?.frozen === frozen) runs[runs.length - 1] = { frozen, length: last.length + length };
			else runs.push({ frozen, length });
		}
		this.#runs = runs;
	}

	/** Those of a segment's values, one for each entry of its layout, that are trained. */
	select(values: readonly Value[]): readonly Value[] {
		return values.filter((_, i) => !this.#isFrozen(this.#entries[i] as LayoutEntry));
	}

	/** The trained parameters [T] out of all [P]. */
	take(g: GraphBuilder, params: Value): Value {
		const parts = this.#split(g, params).filter((_, i) => !this.#runs[i]?.frozen);
		return parts.length === 1 ? (parts[0] as Value) : g.add("Concat", parts, { axis: int(0) });
	}

	/** All parameters [P] with `trained` [T] in their places. */
	replace(g: GraphBuilder, params: Value, trained: Value): Value {
		const before = this.#split(g, params);
		if (before.length === 1) return trained;
		const sizes = this.#runs.filter((run) => !run.frozen).map((run) => run.length);
		const after = split(g, trained, sizes);
		let taken = 0;
		const parts = this.#runs.map((run, i) => (run.frozen ? before[i] : after[taken++]) as Value);
		return g.add("Concat", parts, { axis: int(0) });
	}

	#split(g: GraphBuilder, params: Value): readonly Value[] {
		return split(
			g,
			params,
			this.#runs.map((run) => run.length),
		);
	}
}

function split(g: GraphBuilder, flat: Value, sizes: readonly number[]): readonly Value[] {
	return sizes.length === 1 ? [flat] : g.addMany("Split", [flat, g.ints(sizes)], sizes.length, { axis: int(0) });
}

/** `*` stands for any text, everything else for itself. */
function toExpression(pattern: string): RegExp {
	const parts = pattern.split("*").map((text) => text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
	return new RegExp(`^${parts.join(".*")}$`);
}
