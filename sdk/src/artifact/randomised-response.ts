import type { Manifest } from "./manifest.js";

/**
 * Chance that a bit of a code is turned over. Codes differ in at most `numbers * bits` bits, and each bit is turned over by itself, so
 * with 1/(1 + exp(epsilon / (numbers * bits))) one release is epsilon-differentially private in the code (Warner, JASA 60(309), 1965;
 * Dwork and Roth 2014, theorem 3.14 for the sum over bits). 0 without randomised response.
 */
export function flipProbability({ code, disclosure }: Pick<Manifest, "code" | "disclosure">): number {
	const { randomisedResponse } = disclosure;
	if (code === null || randomisedResponse === undefined) return 0;
	return 1 / (1 + Math.exp(randomisedResponse.epsilon / (code.numbers * code.bits)));
}

/**
 * What the mean of a level over the chance of randomised response is a multiple of the level by. Bit j of an index becomes p + (1-2p)
 * times itself, an index the same of 2^bits - 1 and itself, and levels are symmetric about 0: so 1 - 2p. Dividing by it gives a level
 * without bias.
 */
export function levelShrink(manifest: Pick<Manifest, "code" | "disclosure">): number {
	return 1 - 2 * flipProbability(manifest);
}

/**
 * A label of `classes` turned over by chance, such that what is shown is `epsilon`-differentially private in it: itself with e^epsilon to one
 * of each other (K-ary randomised response; Kairouz, Oh and Viswanath, NeurIPS 2014; for labels Ghazi et al., "Deep learning with label
 * differential privacy", NeurIPS 2021).
 * @param draw uniform in [0,1)
 */
export function randomisedLabel(label: number, classes: number, epsilon: number, draw: number): number {
	const weight = Math.exp(epsilon);
	const kept = weight / (weight + classes - 1);
	if (draw < kept) return label;
	const other = Math.min(classes - 2, Math.floor(((draw - kept) / (1 - kept)) * (classes - 1)));
	return other < label ? other : other + 1;
}
