/** A value-of-interest window (PS3.3 C.11.2), in the units of the rescaled values, for instance Hounsfield units. */
export interface VoiWindow {
	readonly centre: number;
	readonly width: number;
	/** Default `LINEAR`. */
	readonly shape?: "LINEAR" | "LINEAR_EXACT" | "SIGMOID" | undefined;
}

export interface GreyMapping {
	readonly slope: number;
	readonly intercept: number;
	/** Undefined: from the frame's smallest to its largest value. */
	readonly window: VoiWindow | undefined;
	/** MONOCHROME1: the smallest value is white. */
	readonly inverted: boolean;
}

/** Display levels in [0,1] of stored grey values: rescaled, windowed, and turned so that 0 is black. */
export function greyLevels(values: ArrayLike<number>, mapping: GreyMapping): Float32Array {
	const { slope, intercept, window, inverted } = mapping;
	const level = window === undefined ? rangeOf(values, slope, intercept) : levelOf(window);
	const levels = new Float32Array(values.length);
	for (let i = 0; i < values.length; i++) {
		const grey = level((values[i] as number) * slope + intercept);
		levels[i] = inverted ? 1 - grey : grey;
	}
	return levels;
}

/** A window as a function of a value to its level: PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.2 (LINEAR_EXACT), C.11.2.1.3.1 (SIGMOID), with an output range of 0 to 1. */
export function levelOf({ centre, width, shape = "LINEAR" }: VoiWindow): (value: number) => number {
	if (shape === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - centre)) / width));
	// A LINEAR window of width 1 is a threshold.
	const [middle, span] = shape === "LINEAR" ? [centre - 0.5, width - 1] : [centre, width];
	if (span <= 0) return (value) => (value > middle ? 1 : 0);
	return (value) => Math.min(1, Math.max(0, (value - middle) / span + 0.5));
}

function rangeOf(values: ArrayLike<number>, slope: number, intercept: number): (value: number) => number {
	let low = Number.POSITIVE_INFINITY;
	let high = Number.NEGATIVE_INFINITY;
	for (let i = 0; i < values.length; i++) {
		const value = (values[i] as number) * slope + intercept;
		if (value < low) low = value;
		if (value > high) high = value;
	}
	return high > low ? (value) => (value - low) / (high - low) : () => 0;
}
