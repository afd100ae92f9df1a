import { type Operator, requiredInput } from "./operator.js";

/** Where an attention masks a whole row, exporters replace what the soft-max then makes of it. */
export const isNaNOperator: Operator = {
	type: "IsNaN",
	infer: (node) => [{ dtype: "bool", shape: requiredInput(node, 0).shape }],
	backward: () => [],
};
