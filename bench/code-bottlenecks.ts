/** Bottlenecks that end a device's segment in a code: the shield's, and others it was held against. */
import {
	attributes,
	codeNumbers,
	type GraphBuilder,
	type ParameterScope,
	quantiseCode,
	type Value,
} from "@psgl/models";

/**
 * `scalar`: the shield's, each number rounded to levels. `vector`: groups of numbers, each rounded to the nearest of 2^bits learned codewords (van den
 * Oord et al., "Neural discrete representation learning", NeurIPS 2017); with several groups a product code. `variational`: numbers that training disturbs,
 * and pulls towards the normal distribution (Alemi et al., "Deep variational information bottleneck", ICLR 2017); their means are rounded and sent.
 * `noisy`: the shield's numbers, which training disturbs by normal noise of a fixed deviation instead of rounding them.
 */
export interface CodeVariant {
	readonly kind: "scalar" | "vector" | "variational" | "noisy";
	readonly numbers: number;
	/** Of each number, of a vector code of each group. */
	readonly bits: number;
	/** Of a vector code. */
	readonly groups: number;
	/** Weight of the variational bottleneck's rate; deviation of a noisy one. */
	readonly beta: number;
}

/** `scalar:1x4`, `vector:4x2/2` (4 numbers in 2 groups of 2 bits), `variational:2x4@0.03`. */
export function parseVariant(text: string): CodeVariant {
	const found = /^(scalar|vector|variational|noisy):(\d+)x(\d+)(?:\/(\d+))?(?:@([\d.]+))?$/.exec(text);
	if (found === null)
		throw new Error(`${text} is no code; write for example scalar:1x4, vector:4x2/2, variational:2x4@0.03`);
	const [, kind, numbers, bits, groups = "1", beta = "0"] = found;
	return {
		kind: kind as CodeVariant["kind"],
		numbers: Number(numbers),
		bits: Number(bits),
		groups: Number(groups),
		beta: Number(beta),
	};
}

/** Bits of one sample's code. */
export function variantBits({ kind, numbers, bits, groups }: CodeVariant): number {
	return kind === "vector" ? groups * bits : numbers * bits;
}

/** What `differentiate` takes as constants, what is sent, and what training adds to the loss. */
export interface Bottleneck {
	readonly levels: Value;
	/** [B,k] whose scatter is kept between the classes. */
	readonly numbers: Value;
	readonly constants: readonly Value[];
	/** [] */
	readonly loss: Value | undefined;
}

/** A variational code covers means from minus to plus this many standard deviations. */
const covered = 3;
/** Of the distance of numbers to their codewords, beside that of codewords to numbers (van den Oord et al., Eq. 3). */
const commitment = 0.25;

/** The bottleneck of a variant on the outputs [B,k] of a network, [B,2k] of a variational one. @param noise [B,k] in training */
export function bottleneck(
	g: GraphBuilder,
	scope: ParameterScope,
	outputs: Value,
	variant: CodeVariant,
	noise: Value | undefined,
): Bottleneck {
	if (variant.kind === "variational") return variational(g, outputs, variant, noise);
	const numbers = codeNumbers(g, scope.within("norm"), outputs);
	if (variant.kind === "noisy" && noise !== undefined) {
		const disturbed = g.add("Add", [numbers, g.add("Mul", [noise, g.scalar(variant.beta)])]);
		return { levels: disturbed, numbers, constants: [], loss: undefined };
	}
	if (variant.kind === "vector") return codewords(g, scope, numbers, variant);
	return { ...quantiseCode(g, numbers, variant.bits), numbers, loss: undefined };
}

function variational(
	g: GraphBuilder,
	outputs: Value,
	{ numbers, bits, beta }: CodeVariant,
	noise: Value | undefined,
): Bottleneck {
	const [mean, logVariance] = g.addMany("Split", [outputs, g.ints([numbers, numbers])], 2, {
		axis: attributes.int(1),
	}) as [Value, Value];
	const shrunk = (value: Value) => g.add("Mul", [value, g.scalar(1 / covered)]);
	if (noise === undefined) {
		const sent = quantiseCode(g, g.add("Clip", [shrunk(mean), g.scalar(-1), g.scalar(1)]), bits);
		return { levels: sent.levels, numbers: mean, constants: sent.constants, loss: undefined };
	}
	const half = g.add("Exp", [g.add("Mul", [logVariance, g.scalar(0.5)])]);
	const drawn = g.add("Add", [mean, g.add("Mul", [half, noise])]);
	const square = g.add("Add", [g.add("Mul", [mean, mean]), g.add("Exp", [logVariance])]);
	const divergence = g.add("Sub", [g.add("Sub", [square, logVariance]), g.scalar(1)]);
	const rate = meanOf(g, g.add("ReduceSum", [g.add("Mul", [divergence, g.scalar(0.5)]), g.ints([1])]));
	return { levels: shrunk(drawn), numbers: mean, constants: [], loss: g.add("Mul", [rate, g.scalar(beta)]) };
}

function codewords(
	g: GraphBuilder,
	scope: ParameterScope,
	numbers: Value,
	{ numbers: width, bits, groups }: CodeVariant,
): Bottleneck {
	const size = width / groups;
	const parts =
		groups === 1
			? [numbers]
			: g.addMany("Split", [numbers, g.ints(new Array(groups).fill(size))], groups, { axis: attributes.int(1) });
	const constants: Value[] = [];
	const constant = (value: Value) => {
		const held = g.add("Identity", [value]);
		constants.push(held);
		return held;
	};
	const words: Value[] = [];
	const errors: Value[] = [];
	parts.forEach((own, i) => {
		const book = scope.parameter(`codewords${i}`, [2 ** bits, size], { kind: "uniform", bound: 1 });
		const product = g.add("MatMul", [own, g.add("Transpose", [book], { perm: attributes.ints([1, 0]) })]);
		const lengths = g.add("ReduceSum", [g.add("Mul", [book, book]), g.ints([1])], { keepdims: attributes.int(0) });
		const distances = g.add("Sub", [lengths, g.add("Mul", [product, g.scalar(2)])]);
		const least = g.add("ReduceMin", [distances, g.ints([1])]);
		const nearest = constant(g.add("Cast", [g.add("Equal", [distances, least])], { to: attributes.int(1) }));
		const word = g.add("MatMul", [nearest, book]);
		const square = (a: Value, b: Value) => {
			const difference = g.add("Sub", [a, b]);
			return meanOf(g, g.add("Mul", [difference, difference]));
		};
		errors.push(square(word, constant(own)), g.add("Mul", [square(own, constant(word)), g.scalar(commitment)]));
		words.push(g.add("Add", [constant(word), g.add("Sub", [own, constant(own)])]));
	});
	const levels = words.length === 1 ? (words[0] as Value) : g.add("Concat", words, { axis: attributes.int(1) });
	return { levels, numbers, constants, loss: errors.reduce((sum, error) => g.add("Add", [sum, error])) };
}

/** Mean [] of all values. */
export const meanOf = (g: GraphBuilder, value: Value) => g.add("ReduceMean", [value], { keepdims: attributes.int(0) });
