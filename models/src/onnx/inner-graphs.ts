import { intsAttribute, numberAttribute } from "../graph/attribute.js";
import type { GraphBuilder } from "../graph/builder.js";
import type { ImportBindings } from "./import-bindings.js";
import { dataDependent } from "./import-errors.js";
import { readAttributes } from "./read-attributes.js";
import type { GraphProto, NodeProto } from "./schema.js";

/** A Scan of a file, as far as psgl has it. */
export interface ScanSettings {
	readonly body: GraphProto;
	/** How many of the inputs are sequences. */
	readonly count: number;
	readonly reverse: boolean;
}

/** @throws ArtifactError `PSGL_ONNX_CONTROL_FLOW` when it runs along another axis, or not all in one direction */
export function scanSettings(proto: NodeProto): ScanSettings {
	const attributes = readAttributes(proto.attribute ?? []);
	const body = proto.attribute?.find(({ name }) => name === "body")?.g;
	const count = numberAttribute(attributes, "num_scan_inputs", 0);
	const results = (body?.output?.length ?? 0) - ((proto.input?.length ?? 0) - count);
	const directions = [
		...(intsAttribute(attributes, "scan_input_directions") ?? new Array<number>(Math.max(count, 0)).fill(0)),
		...(intsAttribute(attributes, "scan_output_directions") ?? new Array<number>(Math.max(results, 0)).fill(0)),
	];
	const axes = ["scan_input_axes", "scan_output_axes"].flatMap((name) => intsAttribute(attributes, name) ?? []);
	const inputs = proto.input?.length ?? 0;
	const known = body !== undefined && body.input?.length === inputs && count > 0 && count <= inputs;
	if (!known || results < 0 || new Set(directions).size > 1 || axes.some((axis) => axis !== 0))
		throw dataDependent(proto);
	return { body, count, reverse: directions[0] === 1 };
}

/** Bindings of a body: what it declares itself are constants. */
export function innerBindings(b: GraphBuilder, { external }: ImportBindings): ImportBindings {
	return {
		input: (name, dtype, shape) => b.input(name, dtype, shape),
		initializer: (name, value) => b.constant(value, name),
		...(external === undefined ? {} : { external }),
	};
}
