import { attributes, type GraphBuilder, type Value } from "@psgl/models";
import type { BuildOperator } from "../operator-gradients.js";

/** One instance of an operator: what the table of operators and the tests of all of them know it by. */
export interface OperatorSample {
	/** float32 inputs by their names in the ONNX specification, and their shapes. */
	readonly inputs: Readonly<Record<string, readonly number[]>>;
	readonly build: BuildOperator;
	/** Inputs whose first axis is a batch of unknown size. Default: the first. */
	readonly batched?: readonly string[];
	/** Values the inputs keep away from. */
	readonly kinks?: readonly number[];
	/** Only positive inputs. */
	readonly positive?: boolean;
	/** Golden vectors a test compares the operator with: `op_NAME.npz`. */
	readonly golden?: readonly string[];
	/** The test of this folder that draws instances of it: `test/models/operators/NAME.test.ts`. */
	readonly drawn?: string;
}

type Settings = Omit<OperatorSample, "inputs" | "build"> & { readonly attributes?: attributes.Attributes };

/** A sample of an operator that only takes the given inputs. */
export function sample(type: string, inputs: OperatorSample["inputs"], settings: Settings = {}): OperatorSample {
	const { attributes: nodeAttributes = {}, ...rest } = settings;
	return { inputs, build: (g, values) => g.add(type, Object.values(values), nodeAttributes), ...rest };
}

/** A sample of an operator with inputs that are no float32 tensors too. */
export function sampleOf(
	inputs: OperatorSample["inputs"],
	build: (g: GraphBuilder, ...values: Value[]) => Value,
	settings: Omit<Settings, "attributes"> = {},
): OperatorSample {
	return { inputs, build: (g, values) => build(g, ...(Object.values(values) as Value[])), ...settings };
}

export const { float, int, ints, string } = attributes;
