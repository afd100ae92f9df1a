import { type Artifact, artifactGraph } from "../artifact/index.js";
import { ConnectionError } from "../errors.js";
import type { Runtime, Session, Tensors } from "../ports/runtime.js";
import type { WireDType } from "../protocol/index.js";
import { SpareTensors } from "../spare-tensors.js";
import type { Tensor } from "../tensor.js";
import { ActivationStore, type Activations } from "./activation-store.js";

/** Graphs of the client half of an artifact. */
export type ClientGraph =
	| "client/forward"
	/** What `client/train` needs of a forward pass, computed again; not in artifacts whose `client/train` does so itself. */
	| "client/activations"
	| "client/train"
	| "client/infer"
	/** One optimiser step of client segment and local head without the aggregator; only where the cut is a code. */
	| "client/local"
	/** Loss of each stream by the device's labels, and its gradient at the features; only where the device has a tail. */
	| "client/tail"
	/** Probabilities of the streams and the decision from features; only where the device has a tail. */
	| "client/decide"
	/** Level indices of a code [B,k] and the local head's answer; only where the cut is a code. */
	| "client/code"
	| `wire/encode.${Exclude<WireDType, "float32">}`
	| `wire/decode.${Exclude<WireDType, "float32">}`;

/** What a forward pass over a batch computed. Disposing of it gives the memory of all of it back where its activations were kept. */
export interface ForwardPass extends Disposable {
	/** [B,Cs,...] */
	readonly smashed: Tensor<"float32">;
	/** Shape of the input; undefined where the model has no map. */
	readonly map: Tensor<"float32"> | undefined;
	/** What the backward pass needs, and the above, which go back with it; undefined where they were not kept. */
	readonly activations: Activations | undefined;
}

/**
 * The client half of an artifact, compiled. Weights are inputs of its graphs, so one client segment serves any number
 * of devices and every version of the weights. A graph is compiled when it is first asked for.
 */
export class ClientSegment implements AsyncDisposable {
	readonly artifact: Artifact;
	/** SHA-256 (hex) of the artifact's file. */
	readonly digest: string;
	readonly #runtime: Runtime;
	readonly #sessions = new Map<ClientGraph, Promise<Session>>();
	readonly #running = new Set<Promise<unknown>>();
	readonly #activations = new ActivationStore();
	/** Results of `run` that were given up. */
	readonly spare = new SpareTensors();
	#closed = false;

	constructor(runtime: Runtime, artifact: Artifact, digest: string) {
		this.#runtime = runtime;
		this.artifact = artifact;
		this.digest = digest;
	}

	/**
	 * Runs the graph called `name`; compiles it first if need be.
	 * @param into as a session's
	 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when the artifact lacks it, `PSGL_RUNTIME_LOAD` when it cannot run;
	 * ShapeError `PSGL_RUNTIME_FEED`; ConnectionError `PSGL_DEVICE_CLOSED`.
	 */
	run(name: ClientGraph, feeds: Tensors, into?: Tensors): Promise<Record<string, Tensor>> {
		return this.#use(name, (session) => session.run(feeds, undefined, into));
	}

	/**
	 * Runs `client/forward` on a batch.
	 * @param keep to keep what `train` needs of it while there is room; of no use where the weights change before
	 * @throws as `run`
	 */
	async forward(feeds: Tensors, keep: boolean): Promise<ForwardPass> {
		const samples = feeds.x?.dims[0] ?? 0;
		const store = this.#activations;
		const computed = await this.#use("client/forward", (session) => {
			const names = session.outputNames;
			if (keep && store.hasRoomFor(samples)) return session.run(feeds, names, store.takeSpare(samples));
			return session.run(
				feeds,
				names.filter((name) => name === "smashed" || name === "map"),
			);
		});
		const { smashed, map, ...activations } = computed;
		const keeps = keep && Object.keys(activations).length > 0 && store.keep(computed, samples);
		const kept = keeps ? computed : undefined;
		return {
			smashed: smashed as Tensor<"float32">,
			map: map as Tensor<"float32"> | undefined,
			activations: kept,
			[Symbol.dispose]: () => {
				if (kept !== undefined) store.release(kept);
			},
		};
	}

	/** Runs `client/train`, with the activations of the forward pass, or with them computed again. @throws as `run`. */
	async train(feeds: Tensors, pass?: ForwardPass): Promise<Record<string, Tensor>> {
		if (pass?.activations !== undefined) {
			return this.run("client/train", { ...feeds, ...pass.activations });
		}
		const again = this.artifact.graphs.has("client/activations") ? await this.run("client/activations", feeds) : {};
		return this.run("client/train", { ...feeds, ...again });
	}

	async #use<T>(name: ClientGraph, run: (session: Session) => Promise<T>): Promise<T> {
		if (this.#closed) {
			throw new ConnectionError("PSGL_DEVICE_CLOSED", {
				what: "the client segment was closed while a device used it",
				remedy: "Close the devices first",
			});
		}
		const running = this.#session(name).then(run);
		this.#running.add(running);
		try {
			return await running;
		} finally {
			this.#running.delete(running);
		}
	}

	/** Compiles graphs before they are asked for. @throws as `run`. */
	async compile(names: readonly ClientGraph[]): Promise<void> {
		await Promise.all(names.map((name) => this.#session(name)));
	}

	/** Releases the compiled graphs when those that run have ended. */
	async close(): Promise<void> {
		this.#closed = true;
		await Promise.allSettled(this.#running);
		const sessions = await Promise.allSettled(this.#sessions.values());
		this.#sessions.clear();
		for (const session of sessions) if (session.status === "fulfilled") await session.value.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#session(name: ClientGraph): Promise<Session> {
		const known = this.#sessions.get(name);
		if (known !== undefined) return known;
		const loading = this.#load(name);
		this.#sessions.set(name, loading);
		return loading;
	}

	async #load(name: ClientGraph): Promise<Session> {
		return this.#runtime.load(artifactGraph(this.artifact, name));
	}
}
