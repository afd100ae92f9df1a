import { z } from "zod";
import { wireDTypes } from "../protocol/tensors.js";
import { isMultiLabel } from "./is-multi-label.js";

const count = z.int().nonnegative();
const extent = z.int().positive().max(65_536);
const shape = z.array(extent).min(1).max(4);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().min(1).max(64);

/** How the saliency map is made (docs/concepts.md). */
const map = z.strictObject({
	form: z.enum(["probability", "logit"]),
	norm: z.enum(["linf", "rms"]),
	budget: z.number().positive().max(10),
});

/** How the aggregator recovers what the map, or the link, took away. */
const recovery = z.discriminatedUnion("kind", [
	/** The recovered stream gets the smashed data as they are: the control. */
	z.strictObject({ kind: z.literal("none") }),
	/** Singular-value thresholding; `threshold` is a share of the largest singular value unless `absolute`. */
	z.strictObject({
		kind: z.literal("svt"),
		part: z.enum(["low-rank", "residual"]),
		threshold: z.number().nonnegative(),
		absolute: z.boolean(),
	}),
	z.strictObject({ kind: z.literal("rpca") }),
	/** Fills what did not arrive; the identity when everything did. */
	z.strictObject({ kind: z.literal("masked"), rank: z.int().positive().max(512) }),
]);

const optimiser = z.discriminatedUnion("kind", [
	z.strictObject({
		kind: z.literal("adam"),
		learningRate: z.number().positive(),
		beta1: z.number().min(0).max(1),
		beta2: z.number().min(0).max(1),
		epsilon: z.number().positive(),
		weightDecay: z.number().nonnegative(),
		/** AdamW: the weight decay acts on the parameters, not on the gradient. */
		decoupledWeightDecay: z.boolean().optional(),
	}),
	z.strictObject({
		kind: z.literal("sgd"),
		learningRate: z.number().positive(),
		momentum: z.number().min(0).max(1),
		weightDecay: z.number().nonnegative(),
		nesterov: z.boolean().optional(),
	}),
]);

/** What training makes small (docs/training.md). Class weights come with each run. */
const loss = z.discriminatedUnion("kind", [
	z.strictObject({ kind: z.literal("cross-entropy"), labelSmoothing: z.number().min(0).lt(1) }),
	z.strictObject({ kind: z.literal("focal"), gamma: z.number().min(0).max(10) }),
	/** Several labels may apply to a sample. */
	z.strictObject({ kind: z.literal("binary-cross-entropy") }),
	z.strictObject({ kind: z.literal("mean-squared-error") }),
]);

/** Bound of a gradient before an optimiser step: of its Euclidean norm, or of each value. */
const gradientClipping = z.strictObject({ kind: z.enum(["norm", "value"]), limit: z.number().positive() });

/** A narrow cut: `numbers` unsigned level indices below 2^`bits`, levels evenly spaced over [-1,1]. */
const code = z.strictObject({
	numbers: z.int().positive().max(4096),
	bits: z.int().min(1).max(8),
});

/** The device's own end of the network, so that labels stay on it: what follows the `features` numbers of each stream. */
const tail = z.strictObject({ features: z.int().positive().max(4096) });

/** What a device may disclose of each record, and how often it codes one (docs/privacy.md). */
const disclosure = z
	.strictObject({
		/**
		 * `every-epoch`: in each epoch anew, as in the paper. `once`: the client segment learns with the local head, each record is
		 * coded one time, and the aggregator trains on the codes it has. `refresh`: the same `refreshes` times in turn.
		 */
		release: z.enum(["every-epoch", "once", "refresh"]),
		/** Codings of a record; exactly with `refresh`. */
		refreshes: z.int().min(2).max(1024).optional(),
		/** Bits a device may ever release of one record, its label among them; null: any number. */
		budgetBits: z.number().positive().nullable(),
		/** Each bit of a code is turned over by chance, such that one release is `epsilon`-differentially private in the code. */
		randomisedResponse: z.strictObject({ epsilon: z.number().positive().max(1000) }).optional(),
		/** Each label is turned over by chance, once, such that what is made of it is `epsilon`-differentially private in the label. */
		randomisedLabels: z.strictObject({ epsilon: z.number().positive().max(1000) }).optional(),
	})
	.refine(({ release, refreshes }) => (release === "refresh") === (refreshes !== undefined), {
		message: "refreshes goes with release refresh",
		path: ["refreshes"],
	});

/** Names of tensors in ONNX files may be long. */
const tensorName = z.string().min(1).max(512);
const layoutEntry = z.strictObject({ name: tensorName, shape: z.array(extent).max(6), offset: count });

/** One half of the network: the lengths of its flat vectors and where each tensor lies in them. */
const segment = z.strictObject({
	params: z.array(layoutEntry),
	stats: z.array(layoutEntry),
	paramCount: count,
	statCount: count,
	/** Parameters that are not frozen; all of them where it is left out. */
	trainedCount: count.optional(),
});

/** One file of the container. */
const member = z.strictObject({
	sha256: digest,
	bytes: count,
	/** Only for tensors: element type and shape. Graphs are ONNX files. */
	tensor: z.strictObject({ dtype: z.literal("float32"), dims: z.array(count).max(4) }).optional(),
});

const manifestFields = z.strictObject({
	format: z.literal(1),
	part: z.enum(["joint", "client"]),
	name,
	/** Counts trained versions: 0 is the untrained model. */
	version: count,
	network: name,
	/** [C,H,W] or [C,L], values in [0,1]. */
	inputShape: shape,
	classes: z.array(name).min(2).max(4096),
	/** Whether the perturbed input is rearranged by reversible downsampling, with the map as one more channel. */
	packing: z.enum(["space-to-depth", "none"]),
	/** What the client graphs subtract from inputs and divide them by, once or for each channel; null: nothing. */
	normalise: z
		.strictObject({ mean: z.array(z.number()), std: z.array(z.number().positive()) })
		.nullable()
		.default(null),
	/** [Cs,Hs,Ws] or [Cs,Ls]: one sample of smashed data; [k] where it is a code of k numbers. */
	smashedShape: shape,
	/**
	 * The privacy mode whose settings these are, `custom` for settings of one's own. A name, told to people; what counts are the settings. Artifacts
	 * made before there were names have none.
	 */
	privacy: z.enum(["robust", "paper", "shield", "none", "custom"]).optional(),
	/** Element type of smashed data on the wire where a run's settings name none; gradients of int4 are int8. Absent: the run's default. */
	wire: z.enum(wireDTypes).optional(),
	/** Null: smashed data are real numbers. */
	code: code.nullable().default(null),
	/** Null: devices send their labels to the aggregator, which holds all of the streams. */
	tail: tail.nullable().default(null),
	/** Artifacts made before there was a choice release in every epoch, without a budget. */
	disclosure: disclosure.default({ release: "every-epoch", budgetBits: null }),
	streams: z
		.array(z.enum(["A", "R", "F"]))
		.min(1)
		.max(3),
	/** Whose gradient at the cut goes back: the fused stream's (the paper), or the mean of all streams'. */
	cutGradient: z.enum(["fused", "mean"]),
	map: map.nullable(),
	/** Bound of the robust perturbation as a fraction of the input's range; 0 where there is none. */
	robustBudget: z.number().min(0).max(1),
	recovery,
	optimiser,
	/** Learning rate of the local head over that of the client segment. */
	headLearningRateFactor: z.number().positive(),
	/** Artifacts made before there was a choice have cross-entropy. */
	loss: loss.default({ kind: "cross-entropy", labelSmoothing: 0 }),
	/** Separately for client segment, local head and server segment. */
	gradientClipping: gradientClipping.nullable().default(null),
	/** Batches whose mean gradient makes one optimiser step. */
	accumulationSteps: z.int().positive().max(1024).default(1),
	/** Names of the parameters that keep their values, `client.conv1.conv.weight`; `*` stands for any text. */
	frozen: z.array(z.string().min(1).max(128)).max(256).default([]),
	client: segment,
	/** Local head on the client segment. */
	head: z.strictObject({ paramCount: count, params: z.array(layoutEntry), trainedCount: count.optional() }),
	server: segment.nullable(),
	/** Every other file of the container by its name, for instance `client/forward.onnx` or `client/params.f32`. */
	members: z.record(z.string().min(1).max(64), member),
	/** What training takes on a device, bytes: weights, optimiser and gradients, and values of each sample. Estimated when it was compiled. */
	memory: z.strictObject({ fixedBytes: count, sampleBytes: count }).optional(),
	/**
	 * What the devices that trained it told of their disclosure ledgers when training ended: sums over the devices, and the most of one record. Absent
	 * before training.
	 */
	disclosed: z
		.strictObject({
			devices: count,
			records: count,
			releases: count,
			bits: z.number().min(0),
			mostBits: z.number().min(0),
			mostEpsilon: z.number().min(0),
			leftOut: count,
		})
		.optional(),
	/** Free text of the run that trained it: data set, seed, accuracy. */
	note: z.string().max(4096).optional(),
});

/**
 * What `manifest.json` of an artifact says. `part: client` is what a device gets; `joint` never
 * leaves the cloud.
 */
export const manifestSchema = manifestFields
	.refine(({ code, smashedShape }) => code === null || smashedShape.join() === `${code.numbers}`, {
		message: "smashed data of a code have its numbers as their shape",
		path: ["smashedShape"],
	})
	.refine(
		({ code, disclosure: { release, randomisedResponse } }) =>
			code !== null || (release === "every-epoch" && randomisedResponse === undefined),
		{ message: "only a code can be released once, be refreshed or be randomised", path: ["disclosure"] },
	)
	.refine(({ disclosure: { randomisedLabels }, loss }) => randomisedLabels === undefined || !isMultiLabel(loss), {
		message: "labels are randomised where a record has one class",
		path: ["disclosure"],
	})
	.refine(({ code, tail }) => code === null || tail === null, {
		message: "a model whose cut is a code has no tail on the device",
		path: ["tail"],
	});

export type Manifest = z.infer<typeof manifestSchema>;
export type MapSettings = z.infer<typeof map>;
export type RecoverySettings = z.infer<typeof recovery>;
export type OptimiserSettings = z.infer<typeof optimiser>;
export type LossSettings = z.infer<typeof loss>;
export type TailSettings = z.infer<typeof tail>;
export type CodeSettings = z.infer<typeof code>;
export type DisclosureSettings = z.infer<typeof disclosure>;
export type GradientClipping = z.infer<typeof gradientClipping>;
