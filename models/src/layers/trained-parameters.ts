import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { type LayoutEntry, ParameterLayout } from "./parameter-layout.js";
import { type VectorPiece, vectorPieces } from "./vector-pieces.js";

/** From this many numbers on a tensor is a piece of its own: with less, more nodes cost what fewer copies save. */
const largeTensor = 2 ** 15;

/**
 * The parameters of a segment that training changes: gradients are made and optimiser state is kept for these alone.
 * `frozen` are the patterns of a definition; names are matched as PART.NAME, for instance `client.conv1.conv.weight`.
 */
export class TrainedParameters {
	/** The trained ones one after the other, without the frozen. */
	readonly layout: ParameterLayout;
	/** All parameters in pieces that need not be joined. */
	readonly pieces: readonly VectorPiece[];
	readonly #entries: readonly LayoutEntry[];
	readonly #runs: readonly VectorPiece[];
	readonly #isFrozen: (entry: LayoutEntry) => boolean;

	constructor(part: "client" | "head" | "server", { entries }: ParameterLayout, frozen: readonly string[]) {
		const patterns = frozen.map(toExpression);
		this.#isFrozen = ({ name }) => patterns.some((p) => p.test(`${part}.${name}`));
		this.#entries = entries;
		this.layout = new ParameterLayout(entries.filter((e) => !this.#isFrozen(e)));
		this.pieces = vectorPieces(entries, this.#isFrozen, largeTensor);
		this.#runs = vectorPieces(entries, this.#isFrozen);
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
