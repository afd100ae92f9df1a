import { clientHalf } from "@psgl/models";
import { type Artifact, type Manifest, sha256 } from "@psgl/sdk/artifact";
import { type HelloMessage, refuse } from "@psgl/sdk/protocol";
import { parseRelease, parseReleaseFile, requireOwnRelease } from "@psgl/sdk/trust";
import type { AggregatorContext } from "./context.js";
import { commonVersion, type RosterDevice, unfit, windowFor } from "./roster.js";
import { deflates, type WireTerms, wireTerms } from "./wire-terms.js";

/** The client half of the artifact, as devices get it. */
export interface ClientArtifact {
	readonly bytes: Uint8Array;
	/** SHA-256 in hex. */
	readonly digest: string;
}

/**
 * The client half as it is made again here.
 * @throws ArtifactError `PSGL_MODEL_MISMATCH`, `PSGL_MODEL_SIZE` when it is not the one the release speaks of, `PSGL_MODEL_DOCUMENT`.
 */
export async function clientArtifact(joint: Artifact): Promise<ClientArtifact> {
	const bytes = await clientHalf(joint);
	const { release } = joint;
	if (release !== undefined) await requireOwnRelease(bytes, parseRelease(parseReleaseFile(release).release));
	return { bytes, digest: await sha256(bytes) };
}

export interface Enrolled {
	readonly device: RosterDevice;
	/** The device is new here, or was started again: it knows nothing of what was before. */
	readonly forgot: boolean;
}

/** Answers `hello`: welcomes the device and sends it the artifact it lacks, or says why it cannot take part. */
export function enrol(
	context: AggregatorContext,
	hello: HelloMessage,
	terms: {
		readonly artifact: ClientArtifact;
		readonly model: number;
		readonly maxMessageBytes: number;
		/** The artifact is a candidate that may be taken back. */
		readonly staged: boolean;
	},
): Enrolled | undefined {
	const { downlink, emit, manifest, roster, settings } = context;
	const problem = unfit(hello, manifest, settings);
	if (problem !== undefined) {
		emit({ type: "refused", device: hello.device, code: problem.code, reason: problem.what });
		downlink.send(refuse(hello.device, problem, { type: "hello" }, false));
		return undefined;
	}
	const wire = wireTerms(hello, settings) as WireTerms;
	const maxMessageBytes = Math.min(hello.maxMessageBytes, terms.maxMessageBytes);
	const enrolled = roster.welcome(hello, maxMessageBytes, manifest.version, terms.artifact.digest);
	downlink.send({
		type: "welcome",
		device: hello.device,
		protocol: commonVersion(hello),
		session: context.history.session,
		model: terms.model,
		artifact: terms.artifact.digest,
		maxMessageBytes,
		...wire,
		deflate: deflates(hello, wire, settings, manifest) ? true : undefined,
		strategy: settings.strategy,
		batchSize: settings.batchSize,
		window: windowFor(hello, manifest, settings),
		seed: settings.seed,
		mapBudget: settings.mapBudget,
		robustBudget: settings.robustBudget,
		// A device without a ledger does not know the field.
		releases: hello.releases === undefined ? undefined : enrolled.device.releases,
		staged: terms.staged ? true : undefined,
	});
	if (!hello.artifacts.includes(terms.artifact.digest)) sendArtifact(context, hello.device, terms.artifact);
	return enrolled;
}

export function sendArtifact(context: AggregatorContext, device: string, { bytes, digest }: ClientArtifact): void {
	const { name, version }: Manifest = context.manifest;
	context.downlink.send({ type: "artifact", device, name, version: `${version}`, digest, body: bytes });
	context.emit({ type: "artifact-sent", device, version, digest });
}
