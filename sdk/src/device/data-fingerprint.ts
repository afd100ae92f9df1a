import { toHex } from "../hex.js";
import type { CheckedData } from "./device-data.js";

/** Bytes that are digested at a time: the digest copies them. */
const pieceBytes = 1 << 20;

/**
 * Tells sets of samples apart by everything in them: shapes, samples, labels, and their order, which a device's place in a round and its
 * perturbations go by.
 */
export async function fingerprint(data: CheckedData | undefined): Promise<string> {
	if (data === undefined) return "";
	const parts: string[] = [data.shape.join("x"), `${data.classes}`];
	for (const part of [data.train, data.validation]) {
		if (part === undefined) parts.push("none");
		else parts.push(`${part.length}`, await digest(part.samples), await digest(part.targets ?? part.labels));
	}
	return parts.join(" ");
}

/** SHA-256 of the SHA-256 of each piece, in hex. */
async function digest({ buffer, byteOffset, byteLength }: Uint8Array | Float32Array | Int32Array): Promise<string> {
	const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
	const digests = new Uint8Array(32 * Math.ceil(byteLength / pieceBytes));
	for (let at = 0; at < byteLength; at += pieceBytes) {
		const piece = await crypto.subtle.digest("SHA-256", bytes.subarray(at, at + pieceBytes));
		digests.set(new Uint8Array(piece), 32 * (at / pieceBytes));
	}
	return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", digests)));
}
