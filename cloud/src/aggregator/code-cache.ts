import type { Random, Tensor } from "@psgl/sdk";
import type { CodesMessage } from "@psgl/sdk/protocol";

/** Codes of some samples of a device, as they arrived and were decoded. */
export interface CachedCodes {
	readonly device: string;
	readonly part: CodesMessage["part"];
	/** Levels [B,k]. */
	readonly smashed: Tensor<"float32">;
	/** [B], or [B,K] where several labels may apply to a sample. */
	readonly labels: Tensor<"int64">;
}

/** All devices' codes: what the server segment learns from in the release modes `once` and `refresh`. */
export type CodeCache = readonly CachedCodes[];

/** Samples in it. */
export function cachedSamples(cache: CodeCache): number {
	return cache.reduce((sum, { labels }) => sum + (labels.dims[0] as number), 0);
}

/** A sample's place: which codes, and which row of these. */
type Place = readonly [entry: number, row: number];

/** The training samples in an order drawn anew, cut into batches of at least two. */
export function* cachedBatches(
	cache: CodeCache,
	batchSize: number,
	random: Random,
): Generator<Pick<CachedCodes, "smashed" | "labels">, void> {
	const places: Place[] = cache.flatMap(({ part, labels }, entry) =>
		part === "train" ? Array.from({ length: labels.dims[0] as number }, (_, row): Place => [entry, row]) : [],
	);
	const order = random.permutation(places.length);
	for (let from = 0; from < order.length; from += batchSize) {
		const batch = Array.from(order.subarray(from, from + batchSize), (i) => places[i] as Place);
		if (batch.length > 1) yield gather(cache, batch);
	}
}

function gather(cache: CodeCache, places: readonly Place[]): Pick<CachedCodes, "smashed" | "labels"> {
	const [first] = places as [Place, ...Place[]];
	const { smashed, labels } = cache[first[0]] as CachedCodes;
	const [width = 0] = smashed.dims.slice(1);
	const marks = labels.dims[1] ?? 1;
	const levels = new Float32Array(places.length * width);
	const targets = new BigInt64Array(places.length * marks);
	for (const [i, [entry, row]] of places.entries()) {
		const from = cache[entry] as CachedCodes;
		levels.set(from.smashed.data.subarray(row * width, (row + 1) * width), i * width);
		targets.set(from.labels.data.subarray(row * marks, (row + 1) * marks), i * marks);
	}
	return {
		smashed: { dtype: "float32", dims: [places.length, width], data: levels },
		labels: { dtype: "int64", dims: [places.length, ...labels.dims.slice(1)], data: targets },
	};
}
