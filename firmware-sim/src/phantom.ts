import { ConfigError, type Random, seededRandom } from "@psgl/sdk";
import { type DataSplits, Dataset } from "@psgl/sdk/sources";
import { drawThorax, type Finding } from "./thorax.js";

export interface PhantomOptions {
	/** The same seed gives the same pictures. */
	readonly seed: number;
	/** Pictures to train on. Default 1600. */
	readonly train?: number | undefined;
	/** Pictures to validate on. Default 240. */
	readonly validation?: number | undefined;
	/** Pictures to test on. Default 480. */
	readonly test?: number | undefined;
	/** Side in pixels, 16 to 1024. Default 28. */
	readonly size?: number | undefined;
	/** 2 (normal, opacity), 3 (and effusion) or 4 (and nodule). Default 2. */
	readonly classes?: 2 | 3 | 4 | undefined;
	/** 0 (plain) to 1 (findings hardly above the noise). Default 0.5. */
	readonly difficulty?: number | undefined;
}

/** Share of each class. Uneven, so that always answering the larger class is a baseline worth naming. */
const sharesByClasses: Readonly<Record<2 | 3 | 4, Readonly<Partial<Record<Finding, number>>>>> = {
	2: { normal: 0.4, opacity: 0.6 },
	3: { normal: 0.4, opacity: 0.35, effusion: 0.25 },
	4: { normal: 0.4, opacity: 0.25, effusion: 0.2, nodule: 0.15 },
};

/**
 * The embedded data set: synthetic chest phantoms, uint8 [1,size,size], drawn by `drawThorax`. For trying psgl
 * without data; accuracy on it says nothing about real radiographs.
 *
 * @throws ConfigError `PSGL_PHANTOM_OPTIONS`
 */
export function phantomSplits(options: PhantomOptions): DataSplits {
	const { seed, train = 1600, validation = 240, test = 480, size = 28, classes = 2, difficulty = 0.5 } = options;
	requireWithin("size", size, 16, 1024, true);
	requireWithin("classes", classes, 2, 4, true);
	requireWithin("difficulty", difficulty, 0, 1, false);
	const random = seededRandom(seed);
	const draw = (part: string, count: number): Dataset => {
		requireWithin(part, count, 10, 1_000_000, true);
		return drawPart(count, size, sharesByClasses[classes], difficulty, random.fork(part));
	};
	return {
		name: `synthetic chest phantom (seed ${seed})`,
		synthetic: true,
		train: draw("train", train),
		validation: draw("validation", validation),
		test: draw("test", test),
	};
}

function drawPart(
	count: number,
	size: number,
	shares: Readonly<Partial<Record<Finding, number>>>,
	difficulty: number,
	random: Random,
): Dataset {
	const classes = Object.keys(shares) as Finding[];
	const inOrder = classes.flatMap((finding, label) =>
		new Array<number>(Math.floor(count * (shares[finding] ?? 0))).fill(label),
	);
	// What rounding down leaves over goes to the larger class.
	const larger = classes.length === 2 ? 1 : 0;
	while (inOrder.length < count) inOrder.push(larger);
	const labels = Int32Array.from(random.permutation(count), (position) => inOrder[position] as number);
	const samples = new Uint8Array(count * size * size);
	labels.forEach((label, i) => {
		const target = samples.subarray(i * size * size, (i + 1) * size * size);
		drawThorax(target, size, classes[label] as Finding, difficulty, random);
	});
	return new Dataset({ shape: [1, size, size], classes, labels, samples });
}

function requireWithin(name: string, value: number, low: number, high: number, whole: boolean): void {
	if (value >= low && value <= high && (!whole || Number.isInteger(value))) return;
	throw new ConfigError("PSGL_PHANTOM_OPTIONS", {
		what: `the phantom's ${name} cannot be used`,
		got: String(value),
		expected: `${whole ? "a whole number" : "a number"} from ${low} to ${high}`,
	});
}
