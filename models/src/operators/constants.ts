import { type DType, dataType, tensor, zeros } from "@psgl/sdk";
import { int } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { Value, ValueType } from "../graph/graph.js";

/** A constant [] of the element type of `like`, which must be float32, float64 or an integer type. */
export function numberLike(g: GraphBuilder, like: ValueType, value: number): Value {
	if (like.dtype === "int64") return g.constant(tensor("int64", [], BigInt64Array.of(BigInt(value))));
	const constant = zeros(like.dtype as Exclude<DType, "int64">, []);
	constant.data[0] = value;
	return g.constant(constant);
}

/** `value` as `dtype`. */
export function castTo(g: GraphBuilder, value: Value, dtype: DType): Value {
	return value.dtype === dtype ? value : g.add("Cast", [value], { to: int(dataType[dtype]) });
}

/** Zeros shaped like `value`, whatever its batch, also where it holds infinities or NaN. */
export function zerosLike(g: GraphBuilder, value: Value): Value {
	return castTo(g, g.add("Less", [value, value]), value.dtype);
}
