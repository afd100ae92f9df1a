import type { Artifact, Manifest } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { presetDefinition } from "../compile/presets.js";
import { type BriefTrainingOptions, trainBriefly } from "../training/train-briefly.js";
import { zoo } from "../zoo/index.js";

/**
 * The network of an artifact without any defence (privacy mode `none`), trained on the attacker's samples: what every
 * attack of an audit is measured against. Undefined for networks that are not in the zoo.
 */
export async function undefendedReference(
	{ network: name, inputShape, classes }: Manifest,
	attacker: Dataset,
	options: BriefTrainingOptions,
): Promise<Artifact | undefined> {
	const network = zoo.find((candidate) => candidate.name === name);
	if (network === undefined) return undefined;
	return trainBriefly(presetDefinition("none", network, inputShape, classes), "undefended", attacker, options);
}
