import { clientHalf } from "@psgl/models";
import { type Artifact, sha256 } from "@psgl/sdk/artifact";
import { openRoot, parseRelease, parseReleaseFile, verifyRelease } from "@psgl/sdk/trust";
import { z } from "zod";

const count = z.int().min(0);

/** The model a cloud works with, as its artifact describes it. */
export const modelFacts = z.strictObject({
	name: z.string(),
	version: count.describe("of the artifact the cloud started with"),
	network: z.string(),
	privacy: z
		.string()
		.nullable()
		.describe("name of the privacy mode, custom for settings of one's own; null where the artifact has none"),
	classes: z.array(z.string()),
	inputShape: z.array(count),
	smashedShape: z.array(count).describe("of one sample at the cut"),
	codeBits: count.nullable().describe("bits of a sample's code; null where smashed data are real numbers"),
	streams: z.array(z.string()),
	mapBudget: z.number().nullable(),
	robustBudget: z.number().describe("bound of the robust perturbation, a fraction of the input's range"),
	recovery: z.string(),
	release: z.string().describe("how often a device codes a record: every-epoch, once or refresh"),
	budgetBits: z.number().nullable().describe("bits a device may ever release of one record; null: any number"),
	clientDigest: z.string().describe("SHA-256 of the half that devices get"),
	clientBytes: count,
	signed: z
		.strictObject({
			counter: count,
			expires: z.iso.datetime(),
			root: count.describe("version of the newest root in the artifact"),
			threshold: count.describe("signers that have to sign"),
			signers: z.array(z.string()).describe("of that root who signed; keys it does not name are left out"),
			valid: z.boolean().describe("whether enough of them signed these very bytes"),
		})
		.nullable()
		.describe("release of the client half; null where it is not signed"),
	note: z.string().nullable(),
});

export type ModelFacts = Readonly<z.infer<typeof modelFacts>>;

/** @throws ArtifactError `PSGL_MODEL_DOCUMENT` when its release cannot be read. */
export async function readModelFacts(artifact: Artifact): Promise<ModelFacts> {
	const { manifest, release } = artifact;
	const { name, version, network, classes, inputShape, smashedShape, code, streams, map, recovery } = manifest;
	const half = await clientHalf(artifact);
	return {
		name,
		version,
		network,
		privacy: manifest.privacy ?? null,
		classes: [...classes],
		inputShape: [...inputShape],
		smashedShape: [...smashedShape],
		codeBits: code === null ? null : code.numbers * code.bits,
		streams: [...streams],
		mapBudget: map?.budget ?? null,
		robustBudget: manifest.robustBudget,
		recovery: recovery.kind,
		release: manifest.disclosure.release,
		budgetBits: manifest.disclosure.budgetBits,
		clientDigest: await sha256(half),
		clientBytes: half.byteLength,
		signed: release === undefined ? null : await signedFacts(half, release),
		note: manifest.note ?? null,
	};
}

async function signedFacts(half: Uint8Array, text: string): Promise<ModelFacts["signed"]> {
	const { release, roots } = parseReleaseFile(text);
	const { counter, expires } = parseRelease(release);
	const newest = roots.at(-1);
	if (newest === undefined) return { counter, expires, root: 0, threshold: 0, signers: [], valid: false };
	const root = await openRoot(newest);
	const signers = release.signatures.flatMap(
		({ key }) => root.keys.find(({ publicKey }) => publicKey === key)?.name ?? [],
	);
	const valid = await verifyRelease(half, release, root).then(
		() => true,
		() => false,
	);
	return { counter, expires, root: root.version, threshold: root.threshold, signers: [...new Set(signers)], valid };
}
