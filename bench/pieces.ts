import {
	bindSegment,
	compileArtifact,
	convolution,
	dense,
	encodeModel,
	GraphBuilder,
	globalAverage,
	halving,
	importNetwork,
	JointTrainer,
	listCuts,
	type ModelDefinition,
	modelLayout,
	normalised,
	type ParameterScope,
	packClientInput,
	presetDefinition,
	readForeignModel,
	recoverySvt,
	saliencyMap,
	type Value,
	zooNetwork,
} from "@psgl/models";
import { elementCount, seededRandom, type Tensor, type Tensors } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import { resnet18 } from "./resnet18.js";

/** One piece of work of ours, ready to run. */
export interface Piece {
	run(): Promise<unknown>;
	close(): Promise<void>;
}

export interface Picture {
	readonly channels: number;
	/** Height and width. */
	readonly size: number;
}

const lenet = zooNetwork("lenet");

/** The reference's own settings: what is left over counts as recovered, with an absolute threshold of 0.55. */
export function psglDefinition({ channels, size }: Picture): ModelDefinition {
	return {
		...presetDefinition("paper", lenet, [channels, size, size], ["a", "b"]),
		recovery: { kind: "svt", part: "residual", threshold: 0.55, absolute: true },
	};
}

/** Split learning without packing: the reference pools behind both convolutions there. */
function vanillaDefinition({ channels, size }: Picture): ModelDefinition {
	const unit = (g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number) => {
		const y = convolution(g, scope.within("conv"), x, { outputs, kernel: 3, bias: false });
		return g.add("Relu", [normalised(g, scope.within("norm"), y, halving(y))]);
	};
	const network: typeof lenet = {
		...lenet,
		client: (g, scope, x) => unit(g, scope.within("conv2"), unit(g, scope.within("conv1"), x, 16), 32),
	};
	return { ...presetDefinition("none", network, [channels, size, size], ["a", "b"]), packing: "none" };
}

/** The joint artifact of a definition with fresh weights. */
export function artifactOf(definition: ModelDefinition): Promise<Artifact> {
	return compileArtifact(definition, { name: "bench", random: seededRandom(1) });
}

/** A whole training step in one process: every graph of device and aggregator, the batch included. */
async function trainingStep(definition: ModelDefinition, batch: number, threads: number): Promise<Piece> {
	const random = seededRandom(2);
	const trainer = await JointTrainer.create(await artifactOf(definition), { runtime: nodeRuntime, threads, random });
	const count = batch * elementCount(definition.inputShape);
	const data = new Dataset({
		shape: definition.inputShape,
		classes: definition.classes,
		labels: Int32Array.from({ length: batch }, () => random.integer(definition.classes.length)),
		samples: Float32Array.from({ length: count }, () => random.uniform()),
	});
	const indices = Array.from({ length: batch }, (_, i) => i);
	return { run: () => trainer.step(data, indices, 1e-3), close: () => trainer.close() };
}

export const psglStep = (picture: Picture, batch: number, threads: number) =>
	trainingStep(psglDefinition(picture), batch, threads);

export const vanillaStep = (picture: Picture, batch: number, threads: number) =>
	trainingStep(vanillaDefinition(picture), batch, threads);

/** The network of bench/resnet18.ts, cut behind the first block with 128 channels. */
export function resnetStep(batch: number, threads: number): Promise<Piece> {
	const file = resnet18();
	const cuts = listCuts(readForeignModel(file)).filter(({ cut }) => cut.length === 1);
	const cut = cuts.find(({ smashedShape }) => smashedShape[0] === 128)?.cut ?? [];
	const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`);
	const network = importNetwork(file, { name: "resnet18", cut });
	return trainingStep(presetDefinition("none", network, [3, 64, 64], classes), batch, threads);
}

function uniform(dims: readonly number[], shift = 0): Tensor<"float32"> {
	const draws = seededRandom(1);
	const data = Float32Array.from({ length: elementCount(dims) }, () => Math.max(draws.uniform() - shift, 0));
	return { dtype: "float32", dims, data };
}

async function graphPiece(g: GraphBuilder, feeds: Tensors, threads: number): Promise<Piece> {
	const session = await nodeRuntime.load(encodeModel(g.build()), { threads });
	return { run: () => session.run(feeds), close: () => session.close() };
}

/** Client segment and local head with fresh weights inside a graph, and the feeds of these. */
async function clientParts(g: GraphBuilder, definition: ModelDefinition) {
	const layout = modelLayout(definition);
	const artifact = await artifactOf(definition);
	const feeds: Record<string, Tensor> = {};
	const input = (name: string) => {
		const tensor = artifact.tensors.get(`client/${name}`) as Tensor;
		feeds[name] = tensor;
		return g.input(name, "float32", [...tensor.dims]);
	};
	const client = bindSegment(g, layout.client, input("params"), input("stats"));
	const head = bindSegment(g, layout.head, input("head"), g.floats([]));
	return { client, head, feeds };
}

/** The saliency map alone. */
export async function map(picture: Picture, batch: number, threads: number): Promise<Piece> {
	const g = new GraphBuilder("map");
	const definition = psglDefinition(picture);
	const { client, head, feeds } = await clientParts(g, definition);
	const score = (graph: GraphBuilder, x: Value) => {
		const smashed = lenet.client(graph, client.scope(true), packClientInput(graph, x, undefined));
		return dense(graph, head.scope(true), globalAverage(graph, smashed), 2);
	};
	const x = g.input("x", "float32", ["B", ...definition.inputShape]);
	g.output("map", saliencyMap(g, score, x, { form: "probability", norm: "linf", budget: 0.5 }).map);
	return graphPiece(g, { ...feeds, x: uniform([batch, ...definition.inputShape]) }, threads);
}

/** Client segment of one packed picture, with the running statistics. */
export async function inference(picture: Picture, threads: number): Promise<Piece> {
	const g = new GraphBuilder("inference");
	const { client, feeds } = await clientParts(g, psglDefinition(picture));
	const shape = [4 * picture.channels + 1, picture.size / 2, picture.size / 2];
	g.output("smashed", lenet.client(g, client.scope(false), g.input("u", "float32", ["B", ...shape])));
	return graphPiece(g, { ...feeds, u: uniform([1, ...shape]) }, threads);
}

/** Recovery of matrices [rows, columns] by singular-value thresholding at 0.55, straight through. */
export async function recovery(rows: number, columns: number, batch: number, threads: number): Promise<Piece> {
	const g = new GraphBuilder("recovery");
	const x = g.input("x", "float32", ["B", rows, columns]);
	g.output("y", recoverySvt(g, x, { threshold: 0.55, relative: false, part: "residual" }).recovered);
	return graphPiece(g, { x: uniform([batch, rows, columns], 0.5) }, threads);
}
