import { z } from "zod";
import { ArtifactError } from "../errors.js";
import { fromHex, toHex } from "../hex.js";
import { trustLimits } from "./trust-limits.js";

/** An Ed25519 public key, 32 bytes in hexadecimal (RFC 8032 section 5.1.5). */
export const publicKeySchema = z.string().regex(/^[0-9a-f]{64}$/);

export const signedDocumentSchema = z.strictObject({
	/** What is signed: the very characters, so that nobody has to agree on how JSON is written. */
	document: z.string().max(trustLimits.maxDocumentLength),
	signatures: z
		.array(z.strictObject({ key: publicKeySchema, signature: z.string().regex(/^[0-9a-f]{128}$/) }))
		.max(2 * trustLimits.maxRootKeys),
});

/** A JSON text and Ed25519 signatures of it. */
export type SignedDocument = Readonly<z.infer<typeof signedDocumentSchema>>;

/** What a document is; part of what is signed, so that one cannot pass for the other. */
export type DocumentKind = "root" | "release";

/** A WebCrypto Ed25519 key pair that can sign. */
export interface SigningKey {
	/** In hexadecimal. */
	readonly publicKey: string;
	readonly privateKey: Parameters<typeof crypto.subtle.sign>[1];
}

/** Signs a document with each key. */
export async function signDocument(
	kind: DocumentKind,
	document: string,
	keys: readonly SigningKey[],
): Promise<SignedDocument> {
	const bytes = signedBytes(kind, document);
	const signatures = await Promise.all(
		keys.map(async ({ publicKey, privateKey }) => ({
			key: publicKey,
			signature: toHex(new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, bytes))),
		})),
	);
	return { document, signatures };
}

/**
 * How many of the keys have signed a document. A key counts once, whatever it signed twice. All of this is public: nothing
 * here has to take the same time.
 */
export async function countSigners(
	kind: DocumentKind,
	{ document, signatures }: SignedDocument,
	keys: readonly string[],
): Promise<number> {
	const bytes = signedBytes(kind, document);
	const signers = new Set<string>();
	for (const { key, signature } of signatures) {
		if (signers.has(key) || !keys.includes(key)) continue;
		const publicKey = await importPublicKey(key);
		if (publicKey && (await crypto.subtle.verify("Ed25519", publicKey, fromHex(signature), bytes))) signers.add(key);
	}
	return signers.size;
}

/** @throws ArtifactError `PSGL_MODEL_DOCUMENT` when the text is no JSON or not what the schema says. */
export function parseDocument<T>(what: string, text: string, schema: z.ZodType<T>): T {
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch (cause) {
		throw badDocument(what, "no JSON", cause);
	}
	const parsed = schema.safeParse(json);
	if (parsed.success) return parsed.data;
	const issue = parsed.error.issues[0];
	throw badDocument(what, `${issue?.path.join(".") || "the whole"}: ${issue?.message}`);
}

/** 32 bytes that are no point of the curve are no key. */
function importPublicKey(key: string) {
	return crypto.subtle.importKey("raw", fromHex(key), "Ed25519", true, ["verify"]).catch(() => undefined);
}

function signedBytes(kind: DocumentKind, document: string): Uint8Array<ArrayBuffer> {
	return new TextEncoder().encode(`psgl ${kind}\n${document}`) as Uint8Array<ArrayBuffer>;
}

function badDocument(what: string, got: string, cause?: unknown): ArtifactError {
	return new ArtifactError("PSGL_MODEL_DOCUMENT", {
		what: `${what} cannot be read`,
		got,
		remedy: "Sign the model again with psgl models sign",
		cause,
	});
}
