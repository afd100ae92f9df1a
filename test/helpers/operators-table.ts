import { differentiate, GraphBuilder, type OperatorSupport, operatorSupport, type Value } from "@psgl/models";
import { type OperatorSample, operatorSamples } from "./operator-samples/index.js";

const intro = `# Operators

Written by \`npm run operators-table\` from the sources and the tests' samples; do not edit.

Models are read from opset 11 to 21 and built in opset 18. Each derivative consists of operators of this table, so every
derivative can be differentiated again; both orders are compared with finite differences for every row.

- **differentiable in**: the inputs a gradient flows to. None: the output is an integer, a truth value, or constant between steps.
- **golden vectors**: files of PyTorch's outputs and gradients the operator is compared with, to 1e-5.
- **drawn**: the test that draws shapes, attributes and broadcasts.
- *composed*: read as several other operators.

| operator | opset | differentiable in | limits | golden vectors | drawn |
|---|---|---|---|---|---|
`;

/** The page of the operators, docs/operators.md. */
export const operatorsTable = (): string =>
	intro +
	operatorSupport()
		.map((row) => `${line(row)}\n`)
		.join("");

function line({ type, since, until, limits, composed }: OperatorSupport): string {
	const sample = operatorSamples[type];
	if (sample === undefined) throw new Error(`test/helpers/operator-samples has no sample of ${type}`);
	const cells = [
		composed ? `${type} *composed*` : type,
		`${since} to ${until}`,
		differentiableInputs(sample).join(", "),
		limits,
		(sample.golden ?? []).join(", "),
		sample.drawn ?? "",
	];
	return `| ${cells.join(" | ")} |`.replace(/ {2,}/g, " ");
}

/** Names of the sample's inputs that get a gradient, which is differentiated again on the way. */
export function differentiableInputs({ inputs, build }: OperatorSample): string[] {
	const g = new GraphBuilder("sample");
	const values: Record<string, Value> = {};
	for (const [name, dims] of Object.entries(inputs)) values[name] = g.input(name, "float32", dims);
	const value = build(g, values);
	if (value.dtype !== "float32") return [];
	const wrt = Object.values(values);
	const gradients = differentiate(g, [{ value, gradient: g.input("gout", "float32", value.shape) }], wrt);
	const seeds = gradients.flatMap((v, i) => (v ? [{ value: v, gradient: g.input(`v${i}`, "float32", v.shape) }] : []));
	if (seeds.length > 0) differentiate(g, seeds, wrt);
	return Object.keys(inputs).filter((_, i) => gradients[i] !== undefined);
}
