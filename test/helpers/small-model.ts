import { clientHalf, compileModel, type PrivacyMode, presetDefinition, presetTail, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import { Dataset } from "@psgl/sdk/sources";

/** Shape of the samples of the small model. */
export const smallShape = [1, 8, 8] as const;

/** Whether devices send their labels. */
export type Labels = "shared" | "device";

export interface SmallModel {
	readonly joint: Artifact;
	/** Its bytes. */
	readonly jointBytes: Uint8Array;
	/** Bytes of the client half, as a device gets it. */
	readonly client: Uint8Array;
}

/** A small compiled network for tests that need a real one: [1,8,8] pictures in two classes. */
export async function smallModel(
	mode: PrivacyMode = "none",
	options: { readonly seed?: number; readonly network?: string; readonly labels?: Labels } = {},
): Promise<SmallModel> {
	const { seed = 1, network = "lenet", labels = "shared" } = options;
	const preset = presetDefinition(mode, zooNetwork(network), smallShape, ["dark", "bright"]);
	const definition = labels === "shared" ? preset : { ...preset, tail: presetTail };
	const bytes = await compileModel(definition, { name: "small", random: seededRandom(seed) });
	const joint = await decodeArtifact(bytes);
	return { joint, jointBytes: bytes, client: await clientHalf(joint) };
}

/** Pictures in two classes, told apart by their brightness: `count` of them, the classes in turn. */
export function smallDataset(count: number, seed = 1): Dataset {
	const random = seededRandom(seed);
	const size = smallShape[1] * smallShape[2];
	const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
	const samples = Float32Array.from(
		{ length: count * size },
		(_, i) => 0.3 * random.uniform() + (Math.floor(i / size) % 2) * 0.4,
	);
	return new Dataset({ shape: smallShape, classes: ["dark", "bright"], labels, samples });
}

/** What `runFleet` deals to the devices of a small run. */
export const smallFleetData = {
	name: "small",
	synthetic: true,
	train: smallDataset(48),
	validation: smallDataset(12, 2),
	test: smallDataset(2, 3),
} as const;
