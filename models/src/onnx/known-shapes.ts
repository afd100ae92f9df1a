import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Shape, Value } from "../graph/graph.js";
import type { KnownIntegers } from "./fold-shapes.js";
import { dynamicShape } from "./import-errors.js";
import type { NodeProto } from "./schema.js";
import { nodeName } from "./sort-nodes.js";

/** The integers of a file that are known before its graph runs, and what shapes are made of them. */
export class KnownShapes {
	readonly #g: GraphBuilder;
	readonly #integers = new Map<string, KnownIntegers>();
	/** For each extent only known at run time the value a Shape node of the file last found it in, and its axis. */
	readonly #measured = new Map<string, { readonly value: Value; readonly axis: number }>();

	constructor(g: GraphBuilder) {
		this.#g = g;
	}

	has(name: string): boolean {
		return this.#integers.has(name);
	}

	get(name: string): KnownIntegers | undefined {
		return this.#integers.get(name);
	}

	set(name: string, integers: KnownIntegers): void {
		this.#integers.set(name, integers);
	}

	/** Notes that a Shape node measures this value. */
	measure(value: Value): void {
		value.shape.forEach((dim, axis) => {
			if (typeof dim === "string") this.#measured.set(dim, { value, axis });
		});
	}

	/** Integers with named extents among them, as they are when the graph runs. */
	extents(name: string, reader: NodeProto, integers: KnownIntegers): Value {
		if (integers.values.every((dim) => typeof dim === "number")) return this.#g.ints(integers.values);
		const parts = integers.values.map((dim) => {
			if (typeof dim === "number") return this.#g.ints([dim]);
			const place = this.#measured.get(dim);
			if (place === undefined) throw dynamicShape(name, `node ${nodeName(reader)} (${reader.opType})`, integers);
			return this.#g.add("Shape", [place.value], { start: int(place.axis), end: int(place.axis + 1) });
		});
		return parts.length === 1 ? (parts[0] as Value) : this.#g.add("Concat", parts, { axis: int(0) });
	}

	/** Whether input `index` of a node is the target shape of a Reshape, Expand, Resize or Range with named extents in it. */
	isOpenTarget(proto: NodeProto, input: string, index: number): boolean {
		const isTarget = index === { Reshape: 1, Expand: 1, Resize: 3, Range: 1 }[proto.opType];
		const target = this.#integers.get(input);
		if (!isTarget || target === undefined || target.isFloat) return false;
		return !target.values.every((v) => typeof v === "number");
	}

	/** Such a target for a tensor of the shape `from`: named extents as 0, 1 or -1, which mean the same. */
	target(proto: NodeProto, input: string, from: Shape): Value {
		const target = this.#integers.get(input) as KnownIntegers;
		if (proto.opType === "Range") return this.#g.add("Squeeze", [this.extents(input, proto, target)]);
		if (proto.opType === "Expand") {
			const offset = target.values.length - from.length;
			const dims = target.values.map((d, i) => (typeof d === "string" && d === from[i - offset] ? 1 : d));
			return this.extents(input, proto, { ...target, values: dims });
		}
		const dims = target.values.map((d, i) => (typeof d === "number" ? d : d === from[i] ? 0 : -1));
		if (dims.filter((d) => d === -1).length > 1) throw dynamicShape(input, `node ${proto.name ?? ""}`, target);
		return this.#g.ints(dims);
	}
}
