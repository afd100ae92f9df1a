import { type ModelDefinition, presetDefinition, type SplitNetwork } from "@psgl/models";

import type { MapSource } from "./map-source.js";

type Change = (paper: ModelDefinition) => ModelDefinition;

const plainHeads: Change = (d) => ({ ...d, recovery: { kind: "none" } });
const masked: Change = (d) => ({ ...d, recovery: { kind: "masked", rank: 96 } });
const meanCut: Change = (d) => ({ ...d, cutGradient: "mean" });
const robust =
	(budget: number): Change =>
	(d) => ({ ...d, robustBudget: budget / 255 });
const svt =
	(part: "low-rank" | "residual", threshold: number, absolute = false): Change =>
	(d) => ({ ...d, recovery: { kind: "svt", part, threshold, absolute } });
const single: Change = (d) => ({ ...d, streams: ["A"], recovery: { kind: "none" } });
const noMap: Change = (d) => ({ ...d, map: null });
const mapBudget =
	(norm: "linf" | "rms", budget: number): Change =>
	(d) => ({ ...d, map: { form: "probability", norm, budget } });
const all =
	(...changes: readonly Change[]): Change =>
	(d) =>
		changes.reduce((definition, change) => change(definition), d);

/** Rows of the ablation: what each changes in the paper's own settings. */
export const variants: Readonly<Record<string, Change>> = {
	vanilla: all(single, noMap),
	"vanilla + robust": all(single, noMap, robust(3)),
	"vanilla, three heads": all(plainHeads, noMap),
	"A alone, perturbed input": single,
	"A alone + robust": all(single, robust(3)),
	"three plain heads": plainHeads,
	paper: (d) => d,
	"paper + robust": robust(3),
	"three plain heads + robust, fused cut": all(plainHeads, robust(3)),
	"masked + robust": all(masked, meanCut, robust(3)),
	"masked + robust 2/255": all(masked, meanCut, robust(2)),
	"masked + robust 4/255": all(masked, meanCut, robust(4)),
	"masked + robust, map L-inf 0.1": all(masked, meanCut, robust(3), mapBudget("linf", 0.1)),
	"svt low-rank 0.05": svt("low-rank", 0.05),
	"svt low-rank 0.1": svt("low-rank", 0.1),
	"svt low-rank 0.5": svt("low-rank", 0.5),
	"svt low-rank 0.55 absolute": svt("low-rank", 0.55, true),
	"svt residual 0.2": svt("residual", 0.2),
	"svt residual 0.55 absolute": svt("residual", 0.55, true),
	rpca: (d) => ({ ...d, recovery: { kind: "rpca" } }),
	"map L-inf 0.1": mapBudget("linf", 0.1),
	"map L-inf 0.25": mapBudget("linf", 0.25),
	"map L-inf 1.0": mapBudget("linf", 1),
	"map RMS 0.1": mapBudget("rms", 0.1),
	"map RMS 0.3": mapBudget("rms", 0.3),
	"map from logits": (d) => ({ ...d, map: { form: "logit", norm: "linf", budget: 0.5 } }),
	"paper, map through the server": (d) => d,
	"paper, map's values in random places": (d) => d,
	"unpacked vanilla": all(single, noMap, (d) => ({ ...d, packing: "none" })),
};

/** Variants whose map does not come from the local head. */
export const mapSources: Readonly<Record<string, MapSource>> = {
	"paper, map through the server": "server",
	"paper, map's values in random places": "shuffled",
};

/** Groups of rows, one table each. */
export const tables: Readonly<Record<string, readonly string[]>> = {
	main: [
		"vanilla",
		"vanilla + robust",
		"A alone, perturbed input",
		"three plain heads",
		"paper",
		"three plain heads + robust, fused cut",
		"masked + robust",
		"masked + robust, map L-inf 0.1",
	],
	recovery: [
		"paper",
		"svt low-rank 0.05",
		"svt low-rank 0.1",
		"svt low-rank 0.5",
		"svt residual 0.2",
		"svt residual 0.55 absolute",
		"rpca",
	],
	budgets: [
		"map L-inf 0.1",
		"map L-inf 0.25",
		"paper",
		"map L-inf 1.0",
		"map RMS 0.1",
		"map RMS 0.3",
		"map from logits",
	],
	head: ["paper", ...Object.keys(mapSources)],
	robust: ["masked + robust 2/255", "masked + robust", "masked + robust 4/255", "A alone + robust", "vanilla + robust"],
};

/** Definition of the variant called `name`. */
export function variantDefinition(
	name: string,
	network: SplitNetwork,
	inputShape: readonly number[],
	classes: readonly string[],
): ModelDefinition {
	const change = variants[name];
	if (change === undefined) throw new Error(`no variant ${name}; there are: ${Object.keys(variants).join(" | ")}`);
	return change(presetDefinition("paper", network, inputShape, classes));
}
