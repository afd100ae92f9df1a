import { sha256 } from "../artifact/index.js";
import type { CodeIdentity } from "../ledger/release-rules.js";
import { tensorBytes } from "../tensor.js";
import type { ClientModel } from "./client-model.js";

const known = new WeakMap<object, Promise<CodeIdentity>>();

/** What codes records now: the same weights of the same artifact code a record alike. */
export function segmentIdentity({ segment, state }: ClientModel): Promise<CodeIdentity> {
	const { weights } = state;
	const identity = known.get(weights) ?? identityOf(segment.digest, [weights.params, weights.stats].map(tensorBytes));
	// Weights are replaced, never written into.
	known.set(weights, identity);
	return identity;
}

async function identityOf(artifact: string, vectors: readonly Uint8Array[]): Promise<CodeIdentity> {
	const digests = await Promise.all(vectors.map(sha256));
	return { artifact, segment: await sha256(new TextEncoder().encode([artifact, ...digests].join(" "))) };
}
