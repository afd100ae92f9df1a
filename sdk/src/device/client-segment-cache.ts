import { decodeArtifact, sha256 } from "../artifact/index.js";
import { ArtifactError } from "../errors.js";
import type { Runtime } from "../ports/runtime.js";
import { ClientSegment } from "./client-segment.js";

export interface ClientSegmentCacheOptions {
	readonly runtime: Runtime;
}

/**
 * Client segments by the digest of their artifact. A device has one of its own; devices of a fleet in one process
 * share one, and with it the compiled graphs.
 */
export class ClientSegmentCache implements AsyncDisposable {
	readonly #options: ClientSegmentCacheOptions;
	readonly #segments = new Map<string, Promise<ClientSegment>>();

	constructor(options: ClientSegmentCacheOptions) {
		this.#options = options;
	}

	/** Digests of the artifacts in it, the newest last. */
	get digests(): readonly string[] {
		return [...this.#segments.keys()];
	}

	/** The segment of an artifact that was opened before. */
	get(digest: string): Promise<ClientSegment> | undefined {
		return this.#segments.get(digest);
	}

	/**
	 * Opens the client half of an artifact, unless it is open already.
	 * @throws ArtifactError `PSGL_ARTIFACT_DIGEST` when the bytes are not the ones announced, and as `decodeArtifact`.
	 */
	async open(bytes: Uint8Array, digest: string): Promise<ClientSegment> {
		const known = this.#segments.get(digest);
		if (known !== undefined) return known;
		const opening = this.#open(bytes, digest);
		this.#segments.set(digest, opening);
		try {
			return await opening;
		} catch (error) {
			this.#segments.delete(digest);
			throw error;
		}
	}

	async #open(bytes: Uint8Array, digest: string): Promise<ClientSegment> {
		const found = await sha256(bytes);
		if (found !== digest) {
			throw new ArtifactError("PSGL_ARTIFACT_DIGEST", {
				what: "an artifact is not the one that was announced",
				got: found,
				expected: digest,
				remedy: "Check the aggregator's artifact; the device keeps to the digest in its welcome message",
			});
		}
		return new ClientSegment(this.#options.runtime, await decodeArtifact(bytes), digest);
	}

	/** Releases all compiled graphs. Close the devices that use them first. */
	async close(): Promise<void> {
		const segments = await Promise.allSettled(this.#segments.values());
		this.#segments.clear();
		for (const segment of segments) if (segment.status === "fulfilled") await segment.value.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}
