export {
	type Artifact,
	artifactGraph,
	artifactTensor,
	decodeArtifact,
	type EncodingOptions,
	encodeArtifact,
	type ManifestDraft,
	maxArtifactBytes,
	releaseName,
	sha256,
} from "./artifact.js";
export { isMultiLabel } from "./is-multi-label.js";
export {
	type CodeSettings,
	type DisclosureSettings,
	type GradientClipping,
	type LossSettings,
	type Manifest,
	type MapSettings,
	manifestSchema,
	type OptimiserSettings,
	type RecoverySettings,
	type TailSettings,
} from "./manifest.js";
export { optimiserStateLength } from "./optimiser-state-length.js";
export { flipProbability, levelShrink, randomisedLabel } from "./randomised-response.js";
