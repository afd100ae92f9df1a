import { tensor } from "@psgl/sdk";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { addScan } from "../operators/add-scan.js";
import { castTo, numberLike } from "../operators/constants.js";
import type { AdamSettings } from "./adam.js";
import type { OptimiserOperands, OptimiserPiece } from "./optimiser.js";

/**
 * Running sums of the gradient and of its square, `s' = beta s + g`: the means of the paper without the factor
 * 1 - beta, which the step takes up with the bias correction, so that it needs two passes over all parameters less.
 */
export const adamSlotsPerParameter = 2;

/** Scalars of a step. */
interface StepFactors {
	/** Of the change of a parameter. */
	readonly rate: Value;
	/** Added to the deviation. */
	readonly offset: Value;
	/** What AdamW leaves of a parameter. */
	readonly kept: Value;
}

/**
 * One step of Adam (Kingma and Ba, ICLR 2015, algorithm 1), or of AdamW (Loshchilov and Hutter, ICLR 2019,
 * algorithm 2).
 */
export function adamOfPieces(
	g: GraphBuilder,
	operands: OptimiserOperands,
	settings: AdamSettings,
): readonly OptimiserPiece[] {
	const { pieces, gradients, learningRate, step } = operands;
	const { beta1, beta2, epsilon, weightDecay } = settings;
	// p - rate w1 s / (sqrt(w2 q) + epsilon) with sqrt(w2) moved into the scalars.
	const root = g.add("Sqrt", [weight(g, beta2, step)]);
	const factors = {
		rate: g.add("Div", [g.add("Mul", [learningRate, weight(g, beta1, step)]), root]),
		offset: g.add("Div", [g.scalar(epsilon), root]),
		kept: g.add("Sub", [g.scalar(1), g.add("Mul", [learningRate, g.scalar(weightDecay)])]),
	};
	return pieces.map((piece, i) => {
		const move = piece.params.shape.length === 1 ? moved : movedByRows;
		return move(g, piece, gradients[i] as Value, factors, settings);
	});
}

function moved(
	g: GraphBuilder,
	{ params: before, slots: [sum, squares] }: OptimiserPiece,
	given: Value,
	{ rate, offset, kept }: StepFactors,
	{ beta1, beta2, weightDecay, decoupledWeightDecay = false }: AdamSettings,
): OptimiserPiece {
	let params = before;
	let gradient = given;
	if (weightDecay !== 0 && decoupledWeightDecay) params = g.add("Mul", [params, kept]);
	else if (weightDecay !== 0) gradient = g.add("Add", [gradient, g.add("Mul", [params, g.scalar(weightDecay)])]);
	const nextSum = runningSum(g, sum, gradient, beta1);
	const nextSquares = runningSum(g, squares, g.add("Mul", [gradient, gradient]), beta2);
	const deviation = g.add("Add", [g.add("Sqrt", [nextSquares]), offset]);
	const change = g.add("Mul", [g.add("Div", [nextSum, deviation]), rate]);
	return { params: g.add("Sub", [params, change]), slots: [nextSum, nextSquares] };
}

/** The same, all ten passes over one row before the next: the row stays in the processor's cache. */
function movedByRows(
	g: GraphBuilder,
	{ params, slots }: OptimiserPiece,
	gradient: Value,
	factors: StepFactors,
	settings: AdamSettings,
): OptimiserPiece {
	const b = new GraphBuilder("rows of Adam");
	const row = params.shape.slice(1);
	const [ownParams, ownGradient] = [b.input("params", "float32", row), b.input("gradient", "float32", row)];
	const ownSlots = slots.map((_, i) => b.input(`slot ${i}`, "float32", row));
	const scalars = ["rate", "offset", "kept"].map((name) => b.input(name, "float32", []));
	const [rate, offset, kept] = scalars as [Value, Value, Value];
	const next = moved(b, { params: ownParams, slots: ownSlots }, ownGradient, { rate, offset, kept }, settings);
	const body = b.subgraph([ownParams, ownGradient, ...ownSlots, ...scalars], [next.params, ...next.slots]);
	const [nextParams, ...nextSlots] = addScan(g, {
		body,
		states: [],
		sequences: [params, gradient, ...slots],
		captured: [factors.rate, factors.offset, factors.kept],
		reverse: false,
	});
	return { params: nextParams as Value, slots: nextSlots };
}

function runningSum(g: GraphBuilder, sum: Value | undefined, value: Value, beta: number): Value {
	return g.add("Add", [g.add("Mul", [sum, g.scalar(beta)]), value]);
}

/** What makes the running sum the corrected mean, (1 - beta) / (1 - beta^step). In float64: 1 - 0.999 in float32 is 5e-5 off. */
function weight(g: GraphBuilder, beta: number, step: Value): Value {
	const base = g.constant(tensor("float64", [], Float64Array.of(beta)));
	const power = g.add("Pow", [base, castTo(g, step, "float64")]);
	const total = g.add("Sub", [numberLike(g, power, 1), power]);
	return castTo(g, g.add("Div", [numberLike(g, power, 1 - beta), total]), "float32");
}
