/** Band in which the QRS complex stands out from T waves, muscle noise and baseline wander, Hz. */
const [bandLow, bandHigh] = [5, 15];
const integrationSeconds = 0.15;
const refractorySeconds = 0.2;
const tWaveSeconds = 0.36;
/** Seconds from which the first thresholds are learnt. */
const learningSeconds = 2;
/** A beat this many times the mean interval late is looked for again with half the threshold. */
const searchBack = 1.66;

interface Candidate {
	/** Sample at which the integrated energy has its peak. */
	readonly at: number;
	readonly height: number;
	/** Sample of the R peak. */
	readonly peak: number;
	/** Largest slope in the complex. */
	readonly slope: number;
}

/**
 * Finds R peaks in an ECG as it comes, at any sample rate above 60 Hz, after Pan and Tompkins (IEEE Trans. Biomed. Eng.
 * 32(3), 1985): band-pass, derivative, square, integration over 150 ms, two adaptive thresholds, refractory period, T-wave
 * test by slope, and search-back. The band-pass is two biquads instead of the paper's integer filters for 200 Hz. Holds the
 * last seconds only. Peaks come out at most about a mean interval late.
 */
export class RPeakDetector {
	readonly #rate: number;
	readonly #high: Biquad;
	readonly #low: Biquad;
	/** The last seconds: input, filtered signal, integrated energy, by sample modulo their length. */
	readonly #filtered: Float64Array;
	readonly #energy: Float64Array;
	readonly #squares: Float64Array;
	#sum = 0;
	#count = 0;
	#signalLevel = 0;
	#noiseLevel = 0;
	#learning = { most: 0, sum: 0 };
	#last: Candidate | undefined;
	#intervals: number[] = [];
	/** The highest candidate since the last beat that was taken for noise. */
	#missed: Candidate | undefined;

	/** @param sampleRate values a second */
	constructor(sampleRate: number) {
		this.#rate = sampleRate;
		this.#high = Biquad.highPass(bandLow, sampleRate);
		this.#low = Biquad.lowPass(bandHigh, sampleRate);
		this.#filtered = new Float64Array(Math.ceil(4 * sampleRate));
		this.#energy = new Float64Array(this.#filtered.length);
		this.#squares = new Float64Array(Math.max(1, Math.round(integrationSeconds * sampleRate)));
	}

	/** Takes further values, and gives the R peaks that became certain: samples since the first value, ascending. NaN counts as 0. */
	push(values: ArrayLike<number>): number[] {
		const peaks: number[] = [];
		for (let i = 0; i < values.length; i++) {
			const value = values[i] as number;
			this.#step(Number.isFinite(value) ? value : 0, peaks);
		}
		return peaks;
	}

	#step(value: number, peaks: number[]): void {
		const n = this.#count++;
		const size = this.#filtered.length;
		const band = this.#low.step(this.#high.step(value));
		this.#filtered[n % size] = band;
		const slope = this.#slopeAt(n);
		const slot = n % this.#squares.length;
		this.#sum += slope * slope - (this.#squares[slot] as number);
		this.#squares[slot] = slope * slope;
		const energy = Math.max(0, this.#sum / this.#squares.length);
		this.#energy[n % size] = energy;
		if (n < learningSeconds * this.#rate) {
			this.#learning.most = Math.max(this.#learning.most, energy);
			this.#learning.sum += energy;
			this.#signalLevel = this.#learning.most / 2;
			this.#noiseLevel = this.#learning.sum / (n + 1) / 2;
		}
		const around = Math.round(0.1 * this.#rate);
		// A peak is one when nothing within 100 ms to either side is higher.
		if (n >= 2 * around && this.#isPeak(n - around, around)) this.#consider(this.#candidate(n - around), peaks);
		this.#searchBack(n, peaks);
	}

	#slopeAt(n: number): number {
		const size = this.#filtered.length;
		const reach = Math.max(1, Math.round(0.01 * this.#rate));
		return n < reach ? 0 : (this.#filtered[n % size] as number) - (this.#filtered[(n - reach) % size] as number);
	}

	#isPeak(at: number, around: number): boolean {
		const size = this.#energy.length;
		const height = this.#energy[at % size] as number;
		if (height <= 0) return false;
		for (let k = at - around; k <= at + around; k++) {
			const other = this.#energy[k % size] as number;
			if (other > height || (other === height && k < at)) return false;
		}
		return true;
	}

	/** The complex lies within the integration window before the energy's peak; its filtered signal is furthest from 0 at R. */
	#candidate(at: number): Candidate {
		const size = this.#filtered.length;
		let peak = at;
		let slope = 0;
		for (let k = Math.max(1, at - this.#squares.length - Math.round(0.02 * this.#rate)); k <= at; k++) {
			if (Math.abs(this.#filtered[k % size] as number) > Math.abs(this.#filtered[peak % size] as number)) peak = k;
			slope = Math.max(slope, Math.abs(this.#slopeAt(k)));
		}
		const delay = Math.round(groupDelaySeconds * this.#rate);
		return { at, height: this.#energy[at % size] as number, peak: Math.max(0, peak - delay), slope };
	}

	#threshold(): number {
		return this.#noiseLevel + 0.25 * (this.#signalLevel - this.#noiseLevel);
	}

	#consider(candidate: Candidate, peaks: number[]): void {
		const since = this.#last === undefined ? Number.POSITIVE_INFINITY : (candidate.at - this.#last.at) / this.#rate;
		if (since < refractorySeconds) return;
		const tWave = since < tWaveSeconds && candidate.slope < (this.#last?.slope ?? 0) / 2;
		if (candidate.height > this.#threshold() && !tWave) {
			this.#signalLevel += 0.125 * (candidate.height - this.#signalLevel);
			this.#take(candidate, peaks);
			return;
		}
		this.#noiseLevel += 0.125 * (candidate.height - this.#noiseLevel);
		if (!tWave && candidate.height > (this.#missed?.height ?? 0)) this.#missed = candidate;
	}

	#take(candidate: Candidate, peaks: number[]): void {
		if (this.#last !== undefined) this.#intervals = [...this.#intervals, candidate.at - this.#last.at].slice(-8);
		this.#last = candidate;
		this.#missed = undefined;
		peaks.push(candidate.peak);
	}

	#searchBack(n: number, peaks: number[]): void {
		const missed = this.#missed;
		if (missed === undefined || this.#last === undefined || this.#intervals.length === 0) return;
		const mean = this.#intervals.reduce((sum, interval) => sum + interval, 0) / this.#intervals.length;
		if (n - this.#last.at < searchBack * mean || missed.height < this.#threshold() / 2) return;
		this.#signalLevel += 0.25 * (missed.height - this.#signalLevel);
		this.#take(missed, peaks);
	}
}

/** Delay of the two biquads in the band, seconds: the filtered complex is that much behind the one in the input. */
const groupDelaySeconds = 0.04;

/** Second-order Butterworth section by the bilinear transform. */
class Biquad {
	readonly #b: readonly [number, number, number];
	readonly #a: readonly [number, number];
	#x: [number, number] = [0, 0];
	#y: [number, number] = [0, 0];
	#started = false;

	private constructor(b: readonly [number, number, number], a: readonly [number, number]) {
		this.#b = b;
		this.#a = a;
	}

	static lowPass(frequency: number, rate: number): Biquad {
		const [k, norm, a] = section(frequency, rate);
		const gain = k * k * norm;
		return new Biquad([gain, 2 * gain, gain], a);
	}

	static highPass(frequency: number, rate: number): Biquad {
		const [, norm, a] = section(frequency, rate);
		return new Biquad([norm, -2 * norm, norm], a);
	}

	step(value: number): number {
		// As if the first value had been there for ever: no step to ring on.
		if (!this.#started) {
			this.#started = true;
			this.#x = [value, value];
			const gain = (this.#b[0] + this.#b[1] + this.#b[2]) / (1 + this.#a[0] + this.#a[1]);
			this.#y = [gain * value, gain * value];
		}
		const [b0, b1, b2] = this.#b;
		const y = b0 * value + b1 * this.#x[0] + b2 * this.#x[1] - this.#a[0] * this.#y[0] - this.#a[1] * this.#y[1];
		this.#x = [value, this.#x[0]];
		this.#y = [y, this.#y[0]];
		return y;
	}
}

function section(frequency: number, rate: number): [k: number, norm: number, a: [number, number]] {
	const k = Math.tan((Math.PI * frequency) / rate);
	const norm = 1 / (1 + Math.SQRT2 * k + k * k);
	return [k, norm, [2 * (k * k - 1) * norm, (1 - Math.SQRT2 * k + k * k) * norm]];
}
