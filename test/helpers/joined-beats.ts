import type { Tensor } from "@psgl/sdk";
import { readNpz } from "@psgl/sdk/sources";

/** An ECG made of real beats, and where their R peaks are. */
export interface JoinedBeats {
	readonly record: number;
	readonly values: Float32Array;
	/** Samples, ascending. */
	readonly peaks: readonly number[];
	/** Symbol of each beat. */
	readonly symbols: readonly string[];
}

/** Values a second of the joined signal: a beat of the MIT-BIH set is 128 values for 201 of 1/360 s. */
export const joinedRate = (360 * 128) / 201;

const peakWithin = (100 * 128) / 201;

/** Longest distance that is taken from the annotations, seconds; where beats between were not drawn, the next comes after `stand-in`. */
const [longest, standIn] = [1.3, 0.8];

/**
 * The set holds single beats, not recordings: for each record its drawn beats are put one after the other, as far apart as
 * their annotations say, or 0.8 s where beats between were not drawn; overlapping ones are averaged and the rest is
 * joined by straight lines. So shapes, amplitudes and close intervals are real, pauses and noise between beats are not.
 */
export async function joinedBeats(file: string, fewest: number): Promise<JoinedBeats[]> {
	const arrays = await readNpz(file);
	const column = (name: string) =>
		["train", "test"].flatMap((part) =>
			Array.from((arrays.get(`${part}_${name}`) as Tensor).data as ArrayLike<number>),
		);
	const signals = ["train", "test"].map((part) => (arrays.get(`${part}_signals`) as Tensor<"float32">).data);
	const first = (signals[0] as Float32Array).length / 128;
	const beatOf = (i: number) =>
		i < first
			? signals[0]?.subarray(i * 128, (i + 1) * 128)
			: signals[1]?.subarray((i - first) * 128, (i - first + 1) * 128);
	const [records, samples, labels] = [column("records"), column("samples"), column("labels")];
	const byRecord = new Map<number, number[]>();
	for (const [i, record] of records.entries()) byRecord.set(record, [...(byRecord.get(record) ?? []), i]);
	const joined: JoinedBeats[] = [];
	for (const [record, beats] of byRecord) {
		if (beats.length < fewest) continue;
		beats.sort((a, b) => (samples[a] as number) - (samples[b] as number));
		const peaks: number[] = [];
		let at = joinedRate;
		for (const [k, i] of beats.entries()) {
			const apart = k === 0 ? 0 : ((samples[i] as number) - (samples[beats[k - 1] as number] as number)) / 360;
			at += (apart > longest ? standIn : apart) * joinedRate;
			peaks.push(at);
		}
		joined.push({
			record,
			values: draw(peaks, (k) => beatOf(beats[k] as number) as Float32Array, Math.ceil(at + joinedRate)),
			peaks: peaks.map(Math.round),
			symbols: beats.map((i) => "NLRAV"[labels[i] as number] as string),
		});
	}
	return joined;
}

function draw(peaks: readonly number[], beat: (k: number) => Float32Array, length: number): Float32Array {
	const sums = new Float32Array(length);
	const counts = new Uint8Array(length);
	for (const [k, peak] of peaks.entries()) {
		const start = Math.round(peak - peakWithin);
		for (const [i, value] of beat(k).entries()) {
			if (start + i < 0 || start + i >= length) continue;
			sums[start + i] = (sums[start + i] as number) + value;
			counts[start + i] = (counts[start + i] as number) + 1;
		}
	}
	const values = sums.map((sum, i) => sum / Math.max(1, counts[i] as number));
	let known = counts.findIndex((count) => count > 0);
	values.fill(values[known] as number, 0, known);
	for (let i = known + 1; i < length; i++) {
		if (counts[i] === 0 && i < length - 1) continue;
		const to = counts[i] === 0 ? (values[known] as number) : (values[i] as number);
		for (let j = known + 1; j < i; j++) {
			const share = (j - known) / (i - known);
			values[j] = (values[known] as number) * (1 - share) + to * share;
		}
		if (counts[i] === 0) values[i] = to;
		known = i;
	}
	return values;
}
