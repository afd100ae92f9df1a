import { type Artifact, artifactGraph } from "../artifact/index.js";
import type { Runtime, Session } from "../ports/runtime.js";
import type { WireDType } from "../protocol/index.js";

/** Graphs of the client half of an artifact. */
export type ClientGraph =
	| "client/forward"
	| "client/train"
	| "client/infer"
	| `wire/encode.${Exclude<WireDType, "float32">}`
	| `wire/decode.${Exclude<WireDType, "float32">}`;

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

	constructor(runtime: Runtime, artifact: Artifact, digest: string) {
		this.#runtime = runtime;
		this.artifact = artifact;
		this.digest = digest;
	}

	/**
	 * The compiled graph called `name`.
	 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` when the artifact lacks it, `PSGL_RUNTIME_LOAD` when it cannot run.
	 */
	async session(name: ClientGraph): Promise<Session> {
		const known = this.#sessions.get(name);
		if (known !== undefined) return known;
		const loading = this.#runtime.load(artifactGraph(this.artifact, name));
		this.#sessions.set(name, loading);
		return loading;
	}

	/** Releases the compiled graphs. */
	async close(): Promise<void> {
		const sessions = await Promise.allSettled(this.#sessions.values());
		this.#sessions.clear();
		for (const session of sessions) if (session.status === "fulfilled") await session.value.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
