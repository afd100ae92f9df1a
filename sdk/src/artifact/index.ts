export {
	type Artifact,
	type ArtifactKey,
	artifactGraph,
	artifactTensor,
	decodeArtifact,
	encodeArtifact,
	type ManifestDraft,
	maxArtifactBytes,
	type SigningOptions,
	sha256,
	type VerificationOptions,
} from "./artifact.js";
export {
	type Manifest,
	type MapSettings,
	manifestSchema,
	type OptimiserSettings,
	type RecoverySettings,
} from "./manifest.js";
export { slotsPerParameter } from "./slots-per-parameter.js";
