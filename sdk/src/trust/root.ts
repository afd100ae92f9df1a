import { z } from "zod";
import { ArtifactError } from "../errors.js";
import {
	countSigners,
	parseDocument,
	publicKeySchema,
	type SignedDocument,
	type SigningKey,
	signDocument,
} from "./signed-document.js";
import { trustLimits } from "./trust-limits.js";

const rootSchema = z
	.strictObject({
		format: z.literal(1),
		/** From 1; each root is one more than the one before. */
		version: z.int().min(1),
		expires: z.iso.datetime(),
		/** Keys that have to sign a model, and the next root. */
		threshold: z.int().min(1),
		keys: z
			.array(z.strictObject({ name: z.string().min(1).max(64), publicKey: publicKeySchema }))
			.min(1)
			.max(trustLimits.maxRootKeys),
	})
	.refine(({ keys }) => new Set(keys.map((key) => key.publicKey)).size === keys.length, "a key is there twice")
	.refine(({ keys, threshold }) => threshold <= keys.length, "fewer keys than have to sign");

/** Who may sign models: keys, how many of them have to, and until when. */
export type Root = Readonly<z.infer<typeof rootSchema>>;

/**
 * Reads a root and checks that it is signed by the threshold of its own keys.
 * @throws ArtifactError `PSGL_MODEL_DOCUMENT`, `PSGL_ROOT_SIGNATURES`.
 */
export async function openRoot(signed: SignedDocument): Promise<Root> {
	const root = parseDocument("the root of signed models", signed.document, rootSchema);
	await requireSigners(signed, root, root);
	return root;
}

/** Makes a root. Signed by too few, it is refused by `followRoots` and `openRoot`. */
export function signRoot(root: Root, keys: readonly SigningKey[]): Promise<SignedDocument> {
	return signDocument("root", JSON.stringify(root), keys);
}

/** A root, and what it was read from. */
export interface TrustedRoot {
	readonly root: Root;
	readonly signed: SignedDocument;
}

/**
 * Goes on from a trusted root to newer ones, each signed by the threshold of the one before and by its own (The Update
 * Framework 1.0, section 5.3). Roots that are not newer are passed over. Whether the last one has expired is for the caller.
 * @throws ArtifactError `PSGL_ROOT_SIGNATURES`, `PSGL_ROOT_GAP` when one is missing in between, `PSGL_MODEL_DOCUMENT`.
 */
export async function followRoots(trusted: TrustedRoot, roots: readonly SignedDocument[]): Promise<TrustedRoot> {
	let newest = trusted;
	for (const signed of roots) {
		const root = parseDocument("the root of signed models", signed.document, rootSchema);
		if (root.version <= newest.root.version) continue;
		if (root.version !== newest.root.version + 1) {
			throw new ArtifactError("PSGL_ROOT_GAP", {
				what: "a root of signed models is missing",
				got: `version ${root.version} after version ${newest.root.version}`,
				expected: `version ${newest.root.version + 1}`,
				remedy: "Sign the model with the whole file of roots",
			});
		}
		await requireSigners(signed, root, newest.root);
		await requireSigners(signed, root, root);
		newest = { root, signed };
	}
	return newest;
}

async function requireSigners(signed: SignedDocument, root: Root, by: Root): Promise<void> {
	const signers = await countSigners(
		"root",
		signed,
		by.keys.map((key) => key.publicKey),
	);
	if (signers >= by.threshold) return;
	throw new ArtifactError("PSGL_ROOT_SIGNATURES", {
		what: `root ${root.version} of signed models is not signed by enough keys of root ${by.version}`,
		got: `${signers} of them`,
		expected: `${by.threshold}`,
		remedy: "Make it with psgl models rotate and the keys of the root before",
	});
}
