import {
	binaryCrossEntropy,
	bindSegment,
	crossEntropy,
	dense,
	differentiate,
	encodeModel,
	GraphBuilder,
	type ModelDefinition,
	modelLayout,
	optimiserStep,
	pack,
	packClientInput,
	packStatistics,
	type Value,
} from "@psgl/models";
import { type Session, scalar, type Tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactTensor } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import type { Dataset } from "@psgl/sdk/sources";
import { flatStep } from "./flat-step.js";

type State = Record<"client" | "clientStats" | "clientSlots" | "server" | "serverStats" | "serverSlots", Tensor>;

/**
 * Ordinary training of a one-stream network without a map: one graph from picture to loss, differentiated end to end,
 * no cut. What split learning has to be equal to.
 */
export class EndToEndTrainer {
	readonly #session: Session;
	#state: State;
	#step = 0;

	private constructor(session: Session, state: State) {
		this.#session = session;
		this.#state = state;
	}

	static async create(definition: ModelDefinition, artifact: Artifact): Promise<EndToEndTrainer> {
		const session = await nodeRuntime.load(encodeModel(endToEndGraph(definition)));
		const optimiser = optimiserStep(definition.optimiser);
		const client = artifactTensor(artifact, "client/params");
		const server = artifactTensor(artifact, "server/params");
		const slotsOf = (params: Tensor) => zeros("float32", [optimiser.slotsPerParameter * params.data.length]);
		return new EndToEndTrainer(session, {
			client,
			clientStats: artifactTensor(artifact, "client/stats"),
			clientSlots: slotsOf(client),
			server,
			serverStats: artifactTensor(artifact, "server/stats"),
			serverSlots: slotsOf(server),
		});
	}

	/** Weights and running statistics by the names an artifact has for them. */
	vectors(): ReadonlyMap<string, Tensor> {
		const { client, clientStats, server, serverStats } = this.#state;
		return new Map([
			["client/params", client],
			["client/stats", clientStats],
			["server/params", server],
			["server/stats", serverStats],
		]);
	}

	/** One step on the samples at `indices`; returns the loss. */
	async step(data: Dataset, indices: ArrayLike<number>, learningRate: number): Promise<number> {
		const feeds = { ...data.batch(indices), learningRate: scalar(learningRate), step: scalar(++this.#step) };
		const { loss, ...next } = await this.#session.run({ ...feeds, ...this.#state });
		this.#state = Object.fromEntries(Object.keys(this.#state).map((name) => [name, next[`next_${name}`]])) as State;
		return Number(loss?.data[0]);
	}
}

function endToEndGraph(definition: ModelDefinition) {
	const { network, inputShape, classes } = definition;
	const layout = modelLayout(definition);
	const g = new GraphBuilder("end-to-end");
	const optimiser = optimiserStep(definition.optimiser);
	const x = g.input("x", "float32", ["B", ...inputShape]);
	const several = definition.loss.kind === "binary-cross-entropy";
	const target = g.input("y", "int64", several ? ["B", classes.length] : ["B"]);
	const learningRate = g.input("learningRate", "float32", []);
	const step = g.input("step", "float32", []);
	const halves = (["client", "server"] as const).map((name) => {
		const { params, stats } = layout[name];
		const values = g.input(name, "float32", [params.length]);
		const statistics = g.input(`${name}Stats`, "float32", [stats.length]);
		const bound = bindSegment(g, layout[name], values, statistics);
		return { name, params: values, bound, scope: bound.scope(true) };
	});
	const [client, server] = halves as [(typeof halves)[0], (typeof halves)[0]];
	const input = definition.packing === "none" ? x : packClientInput(g, x, undefined);
	const cut = network.client(g, client.scope, input);
	const { tail } = definition;
	const outputs = network.stream(g, server.scope.within("A"), cut, tail?.features ?? classes.length);
	const logits =
		tail === null
			? outputs
			: dense(g, client.scope.within("tail").within("A"), g.add("Relu", [outputs]), classes.length);
	const loss = (several ? binaryCrossEntropy : crossEntropy)(g, { logits, target });
	const gradients = differentiate(g, [{ value: loss }], [...client.bound.values, ...server.bound.values]);
	let taken = 0;
	for (const { name, params, bound, scope } of halves) {
		const own = gradients.slice(taken, taken + bound.values.length) as Value[];
		taken += own.length;
		const slots = g.input(`${name}Slots`, "float32", [optimiser.slotsPerParameter * layout[name].params.length]);
		const gradient = pack(g, layout[name].params, own);
		const next = flatStep(g, optimiser, { params, gradient, slots, learningRate, step });
		g.output(`next_${name}`, next.params);
		g.output(`next_${name}Slots`, next.slots);
		g.output(`next_${name}Stats`, packStatistics(g, bound, scope));
	}
	g.output("loss", loss);
	return g.build();
}
