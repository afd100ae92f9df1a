/** Similarities to the originals that an attack is judged by. */
export interface LeakAnchors {
	/** Of the mean sample. */
	readonly mean: number;
	/** Of the mean sample of the victim's class. */
	readonly classMean: number;
	/** Of what a decoder makes of the label alone; absent where none was trained. */
	readonly labelDecoder?: number;
	/** Of the strongest attack on the undefended network. */
	readonly undefended: number;
}

/** The two headlines of an audit; NaN where the undefended network gives away no more than the anchor. */
export interface Leak {
	/** (attack - mean) / (undefended - mean): 0 for nothing about the sample, 1 for as much as without a defence. */
	readonly leak: number;
	/** The same against the class mean: what an attack tells beyond the label. */
	readonly leakBeyondLabel: number;
}

/** The headlines with a third one, which needs a decoder that was trained on labels alone. */
export interface LeakFigures extends Leak {
	/**
	 * The same against the better of class mean and label-only decoder: what an attack tells beyond what the same attacker rebuilds from the label. NaN
	 * where no such decoder was trained.
	 */
	readonly leakBeyondLabelDecoder: number;
}

/** Less of a span than this is noise, and a quotient by it says nothing. */
const leastSpan = 0.02;

export function leakOf(similarity: number, { mean, classMean, labelDecoder, undefended }: LeakAnchors): LeakFigures {
	const share = (anchor: number) =>
		undefended - anchor < leastSpan ? Number.NaN : (similarity - anchor) / (undefended - anchor);
	return {
		leak: share(mean),
		leakBeyondLabel: share(classMean),
		leakBeyondLabelDecoder: labelDecoder === undefined ? Number.NaN : share(Math.max(classMean, labelDecoder)),
	};
}

/** Whether an attack got nowhere on the undefended network, so that its failure elsewhere says nothing. */
export function isWeak(onUndefended: number, anchors: LeakAnchors): boolean {
	const { leak } = leakOf(onUndefended, anchors);
	return !(leak >= weakShare);
}

/** An attack that gets less than this share of what the strongest gets is weak. */
const weakShare = 0.25;
