import { createHash } from "node:crypto";
import { PsglError, tensor } from "@psgl/sdk";
import { decodeArtifact, encodeArtifact } from "@psgl/sdk/artifact";
import { followRoots, openRoot, readRelease, type SigningKey, verifyRelease } from "@psgl/sdk/trust";
import { releaseText, rootOf } from "../../helpers/signers.js";
import { smallModel } from "../../helpers/small-model.js";
import type { FuzzTarget } from "../fuzz-target.js";
import { mutateText } from "../mutate-tree.js";
import { changeMember, resealMembers } from "./zip-members.js";

/** Key of RFC 8032 section 7.1, test 1: the same for everyone, so that a case can be made again. */
async function knownSigner(): Promise<SigningKey> {
	const d = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex").toString(
		"base64url",
	);
	const publicKey = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
	const x = Buffer.from(publicKey, "hex").toString("base64url");
	const jwk = { kty: "OKP", crv: "Ed25519", d, x };
	return { publicKey, privateKey: await crypto.subtle.importKey("jwk", jwk, "Ed25519", false, ["sign"]) };
}

/** A device's reading of an artifact: signature, roots and release, then every member. */
export async function artifactTarget(): Promise<FuzzTarget> {
	const { joint } = await smallModel("robust", { seed: 1 });
	const { members: _, ...draft } = joint.manifest;
	// The reader does not look into graphs and weights, so short ones do.
	const parts = [
		new Map([["client/forward", Uint8Array.from({ length: 40 }, (_, i) => i)]]),
		new Map([["client/params", tensor("float32", [3], Float32Array.of(1, 2, 3))]]),
	] as const;
	const unsigned = await encodeArtifact(draft, ...parts);
	const signer = await knownSigner();
	const root = await rootOf([signer], { threshold: 1 });
	const next = await rootOf([signer], { threshold: 1, version: 2 });
	const release = await releaseText(unsigned, [signer], { roots: [root, next] });
	const trusted = { root: await openRoot(root), signed: root };
	return {
		seeds: [await encodeArtifact(draft, ...parts, { release })],
		mutations: [changeMember((name) => (name.endsWith(".json") ? mutateText : undefined))],
		reseal: resealMembers((members) => {
			const manifest = members["manifest.json"];
			if (manifest !== undefined) members["manifest.sha256"] = Buffer.from(sha256(manifest));
		}),
		async read(bytes) {
			await decodeArtifact(bytes).catch((error: unknown) => {
				if (!(error instanceof PsglError)) throw error;
			});
			const file = readRelease(bytes);
			await verifyRelease(bytes, file.release, (await followRoots(trusted, file.roots)).root);
		},
	};
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
