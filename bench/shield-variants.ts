/**
 * Other codes and other training than the shield's, on folds of a set's train and validation parts; its test part is never looked at. One line of JSON
 * for each fold and way: how well the local head decides, and what the audit's decoders rebuild of the code.
 *
 *   node build/bench/shield-variants.js --data FILE --epochs N [--ways scalar:1x4,vector:4x4,scalar:1x4+crossed,scalar:1x4&1:4] [--folds 1,2,3,4,5]
 */
import { appendFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { auditBudgets, metricsOn, Recogniser, type Releases } from "@psgl/models";
import { seededRandom, type Tensor, zeros } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type Dataset, loadData } from "@psgl/sdk/sources";
import { classBudget } from "./class-budget.js";
import { type CodeVariant, parseVariant, variantBits } from "./code-bottlenecks.js";
import { CodeNetwork } from "./code-variants.js";
import { fold } from "./fold.js";
import { headline, type LeakOptions, type Rebuilt, rebuiltFrom, victimsOf } from "./shield-leak.js";
import { type TrainedRow, trainedRow } from "./shield-rows.js";

type Real = Tensor<"float32">;

const { values: options } = parseArgs({
	options: {
		data: { type: "string" },
		ways: { type: "string", default: "scalar:1x4" },
		folds: { type: "string", default: "1,2,3,4,5" },
		epochs: { type: "string", default: "15" },
		"teacher-weight": { type: "string", default: "0.7" },
		temperature: { type: "string", default: "2" },
		attacks: { type: "string", default: "kernel-ridge,decoder,decoder=label" },
		threads: { type: "string", default: "1" },
		out: { type: "string" },
	},
});

const [epochs, threads] = [Number(options.epochs), Number(options.threads)];
const parts = 5;
const batchSize = 64;
const learningRate = 1e-3;
const rampShare = 0.3;

/**
 * Who teaches: nobody; one undefended network of the device's, or five; five of which each teaches what it was not trained on; five codes; a stream without a
 * code that is trained along.
 */
type Teacher = "none" | "one" | "five" | "crossed" | "codes" | "along";

/** A way to make a code: its bottleneck, its teacher, and bits by class. */
interface Way {
	readonly name: string;
	readonly variant: CodeVariant;
	readonly teacher: Teacher;
	/** Bits of samples that the local head puts in each class; undefined: the code's for all. */
	readonly classBits: readonly number[] | undefined;
}

function parseWay(name: string): Way {
	const [rest = "", bits] = name.split("&");
	const [code = "", teacher = "none"] = rest.split("+");
	return { name, variant: parseVariant(code), teacher: teacher as Teacher, classBits: bits?.split(":").map(Number) };
}

const everything = (data: Dataset): Real => data.batch(Array.from({ length: data.length }, (_, i) => i)).x;

function undefended(train: Dataset, seed: number): Promise<TrainedRow> {
	const row = { code: undefined, shieldWeight: 1, augmentation: undefined, robustBudget: undefined } as const;
	return trainedRow("none", train, seed, { ...row, epochs, model: "lenet", threads });
}

async function scoresOf({ artifact }: TrainedRow, data: Dataset): Promise<Float32Array> {
	await using network = await Recogniser.load(artifact, nodeRuntime, threads);
	return (await network.look(everything(data))).scores;
}

/** Probabilities [N*K] that a teacher gives the training samples, softened. */
async function taught(
	{ teacher, variant }: Way,
	train: Dataset,
	first: TrainedRow,
	seed: number,
): Promise<Float32Array> {
	const classes = train.classes.length;
	const sum = new Float32Array(train.length * classes);
	const add = (scores: Float32Array, rows: ArrayLike<number>) => {
		for (let n = 0; n < rows.length; n++) {
			for (let k = 0; k < classes; k++) {
				const at = (rows[n] as number) * classes + k;
				sum[at] = (sum[at] as number) + (scores[n * classes + k] as number);
			}
		}
	};
	const all = Array.from({ length: train.length }, (_, n) => n);
	if (teacher === "one" || teacher === "five") add(await scoresOf(first, train), all);
	for (let n = 1; n < parts && teacher === "five"; n++) {
		add(await scoresOf(await undefended(train, seed + 1000 * n), train), all);
	}
	for (let n = 0; n < parts && teacher === "crossed"; n++) {
		const own = all.filter((at) => at % parts === n);
		const rest = train.subset(all.filter((at) => at % parts !== n));
		add(await scoresOf(await undefended(rest, seed + 1000 * n), train.subset(own)), own);
	}
	for (let n = 0; n < parts && teacher === "codes"; n++) {
		await using network = await trainedCode({ variant, teacher: "none" }, train, undefined, seed + 1000 * n);
		add((await network.code(everything(train))).scores.data, all);
	}
	const power = 1 / Number(options.temperature);
	for (let n = 0; n < train.length; n++) {
		const row = sum.subarray(n * classes, (n + 1) * classes);
		row.forEach((value, k) => {
			row[k] = value ** power;
		});
		const total = row.reduce((a, b) => a + b, 0);
		row.forEach((value, k) => {
			row[k] = value / total;
		});
	}
	return sum;
}

async function trainedCode(
	{ variant, teacher: who }: Pick<Way, "variant" | "teacher">,
	train: Dataset,
	lessons: Float32Array | undefined,
	seed: number,
): Promise<CodeNetwork> {
	const random = seededRandom(seed).fork("code");
	const classes = train.classes.length;
	const ownTeacher = who === "along" ? { temperature: Number(options.temperature) } : undefined;
	const network = await CodeNetwork.load({ variant, shape: train.shape, classes, random, threads, ownTeacher });
	const perEpoch = Math.floor(train.length / batchSize) + (train.length % batchSize > 1 ? 1 : 0);
	let step = 0;
	for (let epoch = 0; epoch < epochs; epoch++) {
		const order = random.fork(`epoch ${epoch}`).permutation(train.length);
		for (let b = 0; b < perEpoch; b++) {
			const chosen = order.subarray(b * batchSize, (b + 1) * batchSize);
			const teacher = zeros("float32", [chosen.length, classes]);
			chosen.forEach((n, at) => {
				if (lessons !== undefined) teacher.data.set(lessons.subarray(n * classes, (n + 1) * classes), at * classes);
			});
			step += 1;
			const share = step / (perEpoch * epochs);
			await network.step(
				{ ...train.batch(chosen), teacher },
				{
					step,
					learningRate: learningRate * (1 - 0.95 * share),
					shieldWeight: Math.min(1, share / rampShare),
					teacherWeight: who === "none" ? 0 : Number(options["teacher-weight"]),
				},
			);
		}
	}
	return network;
}

async function main(): Promise<void> {
	if (options.data === undefined) throw new Error("--data FILE is missing");
	const loaded = await loadData(options.data, { seed: 0 });
	const attacks = options.attacks.split(",").filter((name) => name !== "none");
	for (const number of options.folds.split(",").map(Number)) {
		const data = fold(loaded, number);
		const seed = 100 + number;
		const leak: LeakOptions = { attacks, budget: auditBudgets.quick, threads, seed: number };
		const victims = await victimsOf(data, leak);
		const free = await undefended(data.train, seed);
		const attacked = (released?: Releases) => rebuiltFrom(free, victims, leak, released);
		const rebuiltFree = await attacked();
		const print = async (way: string, bits: number, scores: Float32Array, rebuilt: readonly Rebuilt[]) => {
			const { balancedAccuracy, auc, loss } = metricsOn(data.test, scores);
			const found = attacks.length === 0 ? {} : headline(rebuilt, rebuiltFree, victims);
			const figures = { data: data.name, fold: number, way, bits, balanced: balancedAccuracy, auc, loss, ...found };
			const line = JSON.stringify(figures, (_, value) =>
				typeof value === "number" ? Number(value.toFixed(4)) : value,
			);
			process.stdout.write(`${line}\n`);
			if (options.out !== undefined) await appendFile(options.out, `${line}\n`);
		};
		await print("undefended", Number.NaN, await scoresOf(free, data.test), rebuiltFree);
		for (const way of options.ways.split(",").map(parseWay)) {
			const isTaught = way.teacher !== "none" && way.teacher !== "along";
			const lessons = isTaught ? await taught(way, data.train, free, seed) : undefined;
			await using network = await trainedCode(way, data.train, lessons, seed);
			const coded = (set: Dataset) => network.code(everything(set));
			const budget = way.classBits && classBudget(way.classBits, await coded(data.train), data.train);
			const sent = async (set: Dataset) => {
				const { levels } = await coded(set);
				return budget === undefined ? levels : budget.levels(levels);
			};
			const { attacker, victims: own } = victims.data;
			const rebuilt = await attacked({ pairs: await sent(attacker), seen: await sent(own) });
			const { levels, scores } = await coded(data.test);
			await print(way.name, variantBits(way.variant), budget?.scores(levels) ?? scores.data, rebuilt);
		}
	}
}

await main();
