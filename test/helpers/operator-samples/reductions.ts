import type { Value } from "@psgl/models";
import { importedOperator } from "../imported-operator.js";
import { int, type OperatorSample, sample, sampleOf } from "./sample.js";

const reduced = (type: string, settings: Parameters<typeof sampleOf>[2] = {}) =>
	sampleOf({ data: [3, 4, 5] }, (g, x) => g.add(type, [x, g.ints([1])], { keepdims: int(0) }), {
		drawn: "arithmetic",
		...settings,
	});

/** Operators that sum or compare along axes. */
export const reductionSamples: Readonly<Record<string, OperatorSample>> = {
	CumSum: sampleOf({ x: [3, 4] }, (g, x) => g.add("CumSum", [x, g.ints([1])], { exclusive: int(1) })),
	LogSoftmax: sample("LogSoftmax", { input: [3, 5] }, { golden: ["logsoftmax"] }),
	LpNormalization: { inputs: { input: [3, 5] }, build: importedOperator("LpNormalization", 11, ["input"]) },
	ReduceL1: reduced("ReduceL1", { kinks: [0] }),
	ReduceL2: reduced("ReduceL2"),
	ReduceLogSum: reduced("ReduceLogSum", { positive: true }),
	ReduceLogSumExp: reduced("ReduceLogSumExp"),
	ReduceMax: sampleOf({ data: [3, 4, 5] }, (g, x) => g.add("ReduceMax", [x, g.ints([1])])),
	ReduceMean: reduced("ReduceMean", { golden: ["reducemean"] }),
	ReduceMin: sampleOf({ data: [3, 4, 5] }, (g, x) => g.add("ReduceMin", [x, g.ints([1])])),
	ReduceProd: reduced("ReduceProd", { positive: true }),
	ReduceSum: reduced("ReduceSum", { golden: ["reducesum"] }),
	ReduceSumSquare: reduced("ReduceSumSquare"),
	Softmax: sample("Softmax", { input: [3, 5] }, { golden: ["softmax"] }),
	TopK: sampleOf({ X: [3, 6] }, (g, x) => g.addMany("TopK", [x, g.ints([2])], 2)[0] as Value),
};
