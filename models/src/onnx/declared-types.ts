import type { Dim, Shape, ValueType } from "../graph/graph.js";
import { inputType } from "./parse-model.js";
import type { GraphProto } from "./schema.js";

/**
 * Types of tensors as a file declares them (`value_info` and outputs), for operators psgl has no rule for. The batch axis is
 * what the importing graph calls it.
 */
export class DeclaredTypes {
	readonly #types = new Map<string, ValueType>();
	readonly #dims = new Map<string, Dim>();
	#batch: { readonly from: number; readonly to: Dim } | undefined;

	constructor({ valueInfo = [], output = [] }: GraphProto) {
		for (const info of [...output, ...valueInfo]) {
			if (info.type?.tensorType?.shape !== undefined) this.#types.set(info.name, inputType(info));
		}
	}

	/** Notes what stands in the importing graph for the shape an input is declared with. */
	bind(declared: Shape, bound: Shape): void {
		declared.forEach((dim, i) => {
			if (typeof dim === "string") this.#dims.set(dim, bound[i] as Dim);
			else if (i === 0 && typeof bound[0] === "string") this.#batch = { from: dim, to: bound[0] };
		});
	}

	/** The type of a tensor; undefined where the file does not say it, or leaves an extent open that is not an input's. */
	of(name: string): ValueType | undefined {
		const type = this.#types.get(name);
		const shape = type?.shape.map((dim, i) => {
			if (typeof dim === "string") return this.#dims.get(dim);
			return i === 0 && dim === this.#batch?.from ? this.#batch.to : dim;
		});
		if (type === undefined || shape?.includes(undefined)) return undefined;
		return { dtype: type.dtype, shape: shape as Shape };
	}
}
