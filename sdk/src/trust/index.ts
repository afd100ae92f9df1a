export { ModelTrust, type ModelTrustOptions } from "./model-trust.js";
export {
	parseRelease,
	parseReleaseFile,
	type Release,
	type ReleaseFile,
	readRelease,
	releaseOf,
	requireOwnRelease,
	signRelease,
	verifyRelease,
} from "./release.js";
export { followRoots, openRoot, type Root, signRoot, type TrustedRoot } from "./root.js";
export { type SignedDocument, type SigningKey, signedDocumentSchema } from "./signed-document.js";
export { trustLimits } from "./trust-limits.js";
