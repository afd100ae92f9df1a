/** Codes that are made otherwise than the shield's, trained by one device alone: the ground on which its settings were chosen. */
import {
	adam,
	adamSlotsPerParameter,
	attributes,
	bindSegment,
	codeHead,
	crossEntropy,
	declareSegment,
	differentiate,
	encodeModel,
	GraphBuilder,
	type ParameterScope,
	pack,
	packClientInput,
	packStatistics,
	type SegmentLayout,
	type Value,
	withinClassShare,
	zooNetwork,
} from "@psgl/models";
import { type Random, type Session, scalar, type Tensor, zeros } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { bottleneck, type CodeVariant, meanOf } from "./code-bottlenecks.js";

type Real = Tensor<"float32">;

const adamSettings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

export interface CodeNetworkOptions {
	readonly variant: CodeVariant;
	readonly shape: readonly number[];
	readonly classes: number;
	readonly random: Random;
	readonly threads: number;
	/** A teacher that is trained along: a stream of its own on the features before the code, which never leaves; its answers are softened by this. */
	readonly ownTeacher?: { readonly temperature: number } | undefined;
}

export interface CodeBatch {
	readonly x: Real;
	readonly y: Tensor<"int64">;
	/** [B,K] probabilities of a teacher; not looked at where there is one of its own. */
	readonly teacher: Real;
}

export interface CodeStep {
	/** Counted from 1. */
	readonly step: number;
	readonly learningRate: number;
	readonly shieldWeight: number;
	/** Share of the loss against the teacher. */
	readonly teacherWeight: number;
}

/** LeNet down to a code, and a local head on it, in training on one device. */
export class CodeNetwork implements AsyncDisposable {
	readonly #train: Session;
	readonly #infer: Session;
	readonly #width: number;
	readonly #isTaught: boolean;
	readonly #random: Random;
	#state: { readonly params: Real; readonly stats: Real; readonly slots: Real };

	private constructor(
		train: Session,
		infer: Session,
		layout: SegmentLayout,
		{ variant, random, ownTeacher }: CodeNetworkOptions,
	) {
		this.#train = train;
		this.#infer = infer;
		this.#width = variant.numbers;
		this.#isTaught = ownTeacher === undefined;
		this.#random = random.fork("noise");
		const vector = (data: Float32Array): Real => ({ dtype: "float32", dims: [data.length], data });
		this.#state = {
			params: vector(layout.params.initialise(random.fork("weights"))),
			stats: vector(layout.stats.initialise(random)),
			slots: zeros("float32", [adamSlotsPerParameter * layout.params.length]),
		};
	}

	static async load(options: CodeNetworkOptions): Promise<CodeNetwork> {
		const { layout, train, infer } = codeNetworkGraphs(options);
		const load = (graph: Uint8Array) => nodeRuntime.load(graph, { threads: options.threads });
		return new CodeNetwork(await load(train), await load(infer), layout, options);
	}

	async step(
		{ x, y, teacher }: CodeBatch,
		{ step, learningRate, shieldWeight, teacherWeight }: CodeStep,
	): Promise<void> {
		const count = x.dims[0] as number;
		const noise = zeros("float32", [count, this.#width]);
		for (let i = 0; i < noise.data.length; i++) noise.data[i] = this.#random.normal();
		const out = await this.#train.run({
			...{ x, y, noise, ...this.#state },
			...(this.#isTaught && { teacher }),
			step: scalar(step),
			learningRate: scalar(learningRate),
			shieldWeight: scalar(shieldWeight),
			teacherWeight: scalar(teacherWeight),
		});
		this.#state = { params: out.params_ as Real, stats: out.stats_ as Real, slots: out.slots_ as Real };
	}

	/** What is sent of samples, levels [B,k], and the local head's probabilities [B,K]. */
	async code(x: Real): Promise<{ readonly levels: Real; readonly scores: Real }> {
		const { params, stats } = this.#state;
		const { levels, scores } = await this.#infer.run({ x, params, stats });
		return { levels: levels as Real, scores: scores as Real };
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#train.close();
		await this.#infer.close();
	}
}

function codeNetworkGraphs({ variant, shape, classes, ownTeacher }: CodeNetworkOptions) {
	const network = zooNetwork("lenet");
	const build = (g: GraphBuilder, scope: ParameterScope, x: Value, noise: Value | undefined) => {
		const features = network.client(g, scope, packClientInput(g, x, undefined));
		const width = variant.kind === "variational" ? 2 * variant.numbers : variant.numbers;
		const cut = bottleneck(
			g,
			scope.within("code"),
			network.stream(g, scope.within("stream"), features, width),
			variant,
			noise,
		);
		const own = ownTeacher && network.stream(g, scope.within("teacher"), features, classes);
		return { cut, logits: codeHead(g, scope.within("head"), cut.levels, classes), own };
	};
	const input = (g: GraphBuilder) => g.input("x", "float32", ["B", ...shape]);
	const scratch = new GraphBuilder("code/layout");
	const layout = declareSegment(scratch, (scope) => void build(scratch, scope, input(scratch), undefined));
	const bound = (g: GraphBuilder, params: Value) =>
		bindSegment(g, layout, params, g.input("stats", "float32", [layout.stats.length]));
	const parameters = (g: GraphBuilder) => g.input("params", "float32", [layout.params.length]);

	const infer = new GraphBuilder("code/infer");
	const answer = build(infer, bound(infer, parameters(infer)).scope(false), input(infer), undefined);
	infer.output("levels", answer.cut.levels);
	infer.output("scores", infer.add("Softmax", [answer.logits], { axis: attributes.int(1) }));

	const g = new GraphBuilder("code/train");
	const params = parameters(g);
	const segment = bound(g, params);
	const scope = segment.scope(true);
	const noise = g.input("noise", "float32", ["B", variant.numbers]);
	const { cut, logits, own } = build(g, scope, input(g), noise);
	const y = g.input("y", "int64", ["B"]);
	const teacherWeight = g.input("teacherWeight", "float32", []);
	const weighed = (value: Value, weight: Value) => g.add("Mul", [value, weight]);
	const learned = weighed(crossEntropy(g, { logits, target: y }), g.add("Sub", [g.scalar(1), teacherWeight]));
	const logScores = g.add("LogSoftmax", [logits], { axis: attributes.int(1) });
	const soft =
		own &&
		g.add("Softmax", [g.add("Mul", [own, g.scalar(1 / (ownTeacher?.temperature ?? 1))])], { axis: attributes.int(1) });
	const teacher = g.add("Identity", [soft ?? g.input("teacher", "float32", ["B", classes])]);
	const each = g.add("ReduceSum", [weighed(teacher, logScores), g.ints([1])]);
	const taught = weighed(g.add("Neg", [meanOf(g, each)]), teacherWeight);
	const scatter = weighed(withinClassShare(g, cut.numbers, y, classes), g.input("shieldWeight", "float32", []));
	const others = [cut.loss, own && crossEntropy(g, { logits: own, target: y })];
	const losses = [learned, taught, scatter, ...others.filter((loss) => loss !== undefined)];
	const gradients = differentiate(
		g,
		losses.map((value) => ({ value })),
		segment.values,
		[...cut.constants, teacher],
	);
	const slots = g.input("slots", "float32", [adamSlotsPerParameter * layout.params.length]);
	const [learningRate, step] = [g.input("learningRate", "float32", []), g.input("step", "float32", [])];
	const gradient = pack(g, layout.params, gradients);
	const next = adam(g, { params, gradient, slots, learningRate, step }, adamSettings);
	g.output("params_", next.params);
	g.output("slots_", next.slots);
	g.output("stats_", packStatistics(g, segment, scope));
	return { layout, train: encodeModel(g.build()), infer: encodeModel(infer.build()) };
}
