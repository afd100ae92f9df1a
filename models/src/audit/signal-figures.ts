import type { Tensor } from "@psgl/sdk";
import { dynamicTimeWarping } from "./dynamic-time-warping.js";

type Real = Tensor<"float32">;

/** What is told of reconstructed signals beside their correlation: means over the victims. */
export interface SignalFigures {
	/** Mean absolute difference after dynamic time warping. */
	readonly timeWarping: number;
	/** Correlation of what original and reconstruction have beyond the class mean: what is this beat's own. */
	readonly ownCorrelation: number;
}

/** @param classMean [N,C,L] class mean of each victim; all three of one shape */
export function signalFigures(original: Real, rebuilt: Real, classMean: Real): SignalFigures {
	const [count = 0, channels = 1] = original.dims;
	const size = original.data.length / count;
	let warping = 0;
	let correlation = 0;
	for (let n = 0; n < count; n++) {
		const part = ({ data }: Real) => data.subarray(n * size, (n + 1) * size);
		const [x, y, mean] = [part(original), part(rebuilt), part(classMean)];
		warping += dynamicTimeWarping(x, y, channels) / count;
		correlation += pearson(without(x, mean), without(y, mean)) / count;
	}
	return { timeWarping: warping, ownCorrelation: correlation };
}

const without = (values: Float32Array, mean: Float32Array) => values.map((value, i) => value - (mean[i] as number));

/** 0 where one of them does not vary, as the class mean itself does not. */
function pearson(a: Float32Array, b: Float32Array): number {
	const centred = (values: Float32Array) => {
		const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
		return values.map((value) => value - mean);
	};
	const [x, y] = [centred(a), centred(b)];
	const product = (p: Float32Array, q: Float32Array) => p.reduce((sum, value, i) => sum + value * (q[i] as number), 0);
	const scale = Math.sqrt(product(x, x) * product(y, y));
	return scale < 1e-9 ? 0 : product(x, y) / scale;
}
