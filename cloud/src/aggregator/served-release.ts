import { ConfigError } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import { type Candidate, Rollout } from "../rollout/rollout.js";
import type { RolloutStore } from "../rollout/rollout-store.js";
import type { AggregatorOptions } from "./aggregator-options.js";
import type { DecisionWeights } from "./decisions.js";
import { type ClientArtifact, clientArtifact } from "./enrolment.js";
import { artifactPrior } from "./final-artifact.js";
import { artifactDigest } from "./run-identity.js";
import { ServerSegment } from "./server-segment.js";
import { type ResolvedSettings, resolveSettings } from "./settings.js";
import type { TrainedWeights } from "./trained-weights.js";
import { deployedWeights, initialState } from "./training-state.js";
import { orWider } from "./wire-terms.js";

/** A trained model, compiled and ready to be served beside the stable one. */
export interface ServedRelease extends Candidate {
	readonly joint: Artifact;
	readonly client: ClientArtifact;
	readonly settings: ResolvedSettings;
	readonly server: ServerSegment;
	readonly trained: TrainedWeights;
	readonly decisions: DecisionWeights;
}

/**
 * Opens a joint artifact for the devices of another.
 * @throws ConfigError `PSGL_ROLLOUT_UNFIT` when it is no other model for the same data; ArtifactError as `decodeArtifact`,
 * `clientArtifact` and `ServerSegment.load`; ConfigError `PSGL_AGGREGATOR_SETTINGS`.
 */
async function openRelease(
	bytes: Uint8Array,
	options: Pick<AggregatorOptions, "artifact" | "runtime" | "settings" | "threads">,
	served: string,
): Promise<ServedRelease> {
	const joint = await decodeArtifact(bytes);
	const { manifest } = joint;
	const { artifact: stable, runtime, threads = 1 } = options;
	requireSame("input", manifest.inputShape.join("x"), stable.manifest.inputShape.join("x"));
	requireSame("classes", manifest.classes.join(", "), stable.manifest.classes.join(", "));
	// Devices that take signed models only would all refuse it.
	if (stable.release !== undefined)
		requireSame("release", joint.release === undefined ? "unsigned" : "signed", "signed");
	const client = await clientArtifact(joint);
	const { digest } = client;
	if (digest === served) throw unfit("client half", "the one that is served", "another");
	const settings = resolveSettings(options.settings ?? {}, manifest);
	const { classWeights, smashedDtype, gradientDtype } = settings;
	const server = await ServerSegment.load(joint, runtime, {
		threads,
		classWeights,
		dtypes: [...orWider(smashedDtype), ...orWider(gradientDtype)],
		aside: true,
	});
	const weights = deployedWeights(initialState(joint));
	return {
		digest,
		artifact: await artifactDigest(joint),
		joint,
		client,
		settings,
		server,
		trained: { reason: "finished", ...weights, samples: [] },
		decisions: { model: weights.model, server: weights.server, prior: artifactPrior(joint) },
		close: () => server.close(),
	};
}

/** The roll-outs of an aggregator that only serves; undefined in training, and where there is no place for them. @throws as `Rollout.open`. */
export async function openRollout(
	options: AggregatorOptions,
	{ rounds }: ResolvedSettings,
	{ digest: stable }: ClientArtifact,
): Promise<Rollout<ServedRelease> | undefined> {
	const { rollouts: store } = options;
	if (store === undefined || rounds > 0) return undefined;
	const open = (bytes: Uint8Array) => openRelease(bytes, options, stable);
	return Rollout.open({ store, stable, open, patient: options.patientRollout });
}

/**
 * Gives orders for the roll-outs of aggregators in other processes, and tells how they stand. A candidate is compiled once, to see that it can be.
 * @throws as `Rollout.open`.
 */
export async function openRolloutDesk(
	options: Pick<AggregatorOptions, "artifact" | "runtime" | "settings">,
	store: RolloutStore,
): Promise<Rollout> {
	const { digest: stable } = await clientArtifact(options.artifact);
	const open = async (bytes: Uint8Array) => {
		const { digest, artifact, server } = await openRelease(bytes, options, stable);
		await server.close();
		return { digest, artifact, close: async () => undefined };
	};
	return Rollout.open({ store, stable, open, ordersOnly: true });
}

function requireSame(what: string, got: string, expected: string): void {
	if (got !== expected) throw unfit(what, got, expected);
}

function unfit(what: string, got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_ROLLOUT_UNFIT", {
		what: `the candidate cannot be rolled out in place of the model that is served: its ${what}`,
		got,
		expected,
		remedy: "Roll out a model for the same data and classes, signed as the one that is served",
	});
}
