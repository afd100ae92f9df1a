import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";

const schema = z.strictObject({
	format: z.literal(1),
	/** Lines the trail had. */
	entries: z.int().min(0),
	/** SHA-256 of the last of them, in hex. */
	hash: z.string().regex(/^[0-9a-f]{64}$/),
	at: z.iso.datetime(),
	/** Ed25519 over the other fields, base64. */
	signature: z.base64(),
});

/** How far the trail went, signed: lines up to here can be neither changed nor taken away unseen. */
export type TrailHead = Readonly<z.infer<typeof schema>>;

/** Signs the head of a trail with its Ed25519 key (RFC 8032). */
export function signHead(head: Omit<TrailHead, "format" | "signature">, key: KeyObject): TrailHead {
	const signature = sign(null, signed(head), key).toString("base64");
	return { format: 1, ...head, signature };
}

/** The head in a text, or undefined when it is none, or not signed by this key. */
export function readHead(text: string, publicKey: KeyObject): TrailHead | undefined {
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch {
		return undefined;
	}
	const parsed = schema.safeParse(json);
	if (!parsed.success) return undefined;
	const valid = verify(null, signed(parsed.data), publicKey, Buffer.from(parsed.data.signature, "base64"));
	return valid ? parsed.data : undefined;
}

/** The public key of a PEM text, private or public. */
export function publicKeyOf(pem: string): KeyObject {
	return createPublicKey(pem);
}

function signed({ entries, hash, at }: Omit<TrailHead, "format" | "signature">): Buffer {
	return Buffer.from(`psgl audit trail\n${entries}\n${hash}\n${at}\n`, "utf8");
}
