import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { DataError } from "@psgl/sdk";
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

/** The public key of a PEM text, private or public. @throws DataError `PSGL_TRAIL_KEY` when it is none on Ed25519. */
export function publicKeyOf(pem: string): KeyObject {
	return ed25519(() => createPublicKey(pem));
}

/** The private key of a PEM text. @throws DataError `PSGL_TRAIL_KEY` when it is none on Ed25519. */
export function privateKeyOf(pem: string): KeyObject {
	return ed25519(() => createPrivateKey(pem));
}

function ed25519(read: () => KeyObject): KeyObject {
	let key: KeyObject;
	try {
		key = read();
	} catch (cause) {
		throw noKey("no key", cause);
	}
	if (key.asymmetricKeyType !== "ed25519") throw noKey(`a key of ${key.asymmetricKeyType}`);
	return key;
}

function noKey(got: string, cause?: unknown): DataError {
	return new DataError("PSGL_TRAIL_KEY", {
		what: "a key of the audit trail cannot be used",
		got,
		expected: "an Ed25519 key in PEM",
		remedy: "Verify with a copy of trail.pub (--public-key); keep the folder as evidence and start with another one",
		cause,
	});
}

function signed({ entries, hash, at }: Omit<TrailHead, "format" | "signature">): Buffer {
	return Buffer.from(`psgl audit trail\n${entries}\n${hash}\n${at}\n`, "utf8");
}
