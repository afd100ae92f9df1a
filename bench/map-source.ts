import {
	attackJsmaGraph,
	bindSegment,
	type DeployedSystem,
	encodeModel,
	GraphBuilder,
	type ModelDefinition,
	modelLayout,
	packClientInput,
	perturb,
} from "@psgl/models";
import {
	elementCount,
	type Random,
	type Runtime,
	type Session,
	scalar,
	type Tensor,
	type Tensors,
	zeros,
} from "@psgl/sdk";
import { type Artifact, artifactGraph } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

type Vector = Tensor<"float32">;

/**
 * Where a picture's saliency map comes from, if not from the local head. Experiments only: `server` sends the smashed data of the
 * unperturbed picture to the aggregator first, which leaks what the map is to hide; `shuffled` is the local head's map with
 * its values in random places of the picture, the control for what its places are worth.
 */
export type MapSource = "server" | "shuffled";

/** All weights of a system by the names they have in an artifact. */
type Weights = ReadonlyMap<string, Tensor>;

interface MapSessions {
	readonly map: Session;
	/** With the running statistics. */
	readonly deployed: Session;
}

/** Graphs with which maps of another source are made and used. */
export class OtherMaps implements AsyncDisposable {
	readonly #source: MapSource;
	readonly #random: Random;
	readonly #sessions: MapSessions;

	private constructor(source: MapSource, random: Random, sessions: MapSessions) {
		this.#source = source;
		this.#random = random;
		this.#sessions = sessions;
	}

	static async create(
		source: MapSource,
		definition: ModelDefinition,
		random: Random,
		threads: number,
	): Promise<OtherMaps> {
		const load = (graph: Parameters<typeof encodeModel>[0]) => nodeRuntime.load(encodeModel(graph), { threads });
		return new OtherMaps(source, random, {
			map: await load(attackJsmaGraph(definition, modelLayout(definition), "straight-through")),
			deployed: await load(forwardWithMap(definition)),
		});
	}

	/** Loads graphs as ever, but `client/forward` of `artifact` makes its map from this source. */
	runtime(artifact: Artifact, weights: () => Weights): Runtime {
		const forward = artifactGraph(artifact, "client/forward");
		return {
			version: nodeRuntime.version,
			load: async (model, options) => {
				const session = await nodeRuntime.load(model, options);
				if (model !== forward) return session;
				const behindMap = await nodeRuntime.load(artifactGraph(artifact, "client/activations"), options);
				const run = async (feeds: Tensors) => {
					const own = this.#source === "shuffled" ? ((await session.run(feeds)).map as Vector) : undefined;
					const map = await this.#map(feeds.x as Vector, own, feeds.budget as Tensor, weights());
					return { ...(await behindMap.run({ ...feeds, map })), map };
				};
				const { inputNames, outputNames } = session;
				const close = async () => void (await Promise.all([session.close(), behindMap.close()]));
				return { inputNames, outputNames, run, close, [Symbol.asyncDispose]: close };
			},
		};
	}

	/** Has the deployed `system` make its maps from this source. */
	deploy(system: DeployedSystem, weights: Weights, budget: number): void {
		const own = system.device.bind(system);
		const device: DeployedSystem["device"] = async (x, withMap = true) => {
			const local = (await own(x, withMap)).map;
			const map = await this.#map(x, local, scalar(withMap ? budget : 0), weights);
			const feeds = { x, map, params: weights.get("client/params"), stats: weights.get("client/stats") } as Tensors;
			return { smashed: (await this.#sessions.deployed.run(feeds)).smashed as Vector, map };
		};
		Object.assign(system, { device });
	}

	async [Symbol.asyncDispose](): Promise<void> {
		for (const session of Object.values(this.#sessions)) await session.close();
	}

	async #map(x: Vector, own: Vector | undefined, budget: Tensor, weights: Weights): Promise<Vector> {
		if (this.#source === "shuffled") return shuffled(own as Vector, this.#random);
		const feeds = {
			x,
			map: zeros("float32", x.dims),
			params: weights.get("client/params"),
			stats: weights.get("client/stats"),
			serverParams: weights.get("server/params"),
			serverStats: weights.get("server/stats"),
			budget,
		} as Tensors;
		return (await this.#sessions.map.run(feeds)).perturbation as Vector;
	}
}

/** The client segment as deployed on pictures whose maps are given. */
function forwardWithMap(definition: ModelDefinition) {
	const g = new GraphBuilder("client/infer");
	const layout = modelLayout(definition);
	const picture = ["B", ...definition.inputShape];
	const [x, map] = [g.input("x", "float32", picture), g.input("map", "float32", picture)];
	const params = g.input("params", "float32", [layout.client.params.length]);
	const stats = g.input("stats", "float32", [layout.client.stats.length]);
	const scope = bindSegment(g, layout.client, params, stats).scope(false);
	g.output("smashed", definition.network.client(g, scope, packClientInput(g, perturb(g, x, map), map)));
	return g.build();
}

/** Each picture's values in random places. */
function shuffled(map: Vector, random: Random): Vector {
	const size = elementCount(map.dims.slice(1));
	const data = new Float32Array(map.data.length);
	for (let from = 0; from < data.length; from += size) {
		for (const [i, place] of random.permutation(size).entries()) data[from + i] = map.data[from + place] as number;
	}
	return { ...map, data };
}
