import { elementwiseSamples } from "./elementwise.js";
import { layoutSamples } from "./layout.js";
import { networkSamples } from "./networks.js";
import { reductionSamples } from "./reductions.js";
import type { OperatorSample } from "./sample.js";
import { sequenceSamples } from "./sequences.js";

export type { OperatorSample } from "./sample.js";

/** A sample of every operator psgl has, by type. */
export const operatorSamples: Readonly<Record<string, OperatorSample>> = {
	...elementwiseSamples,
	...layoutSamples,
	...networkSamples,
	...reductionSamples,
	...sequenceSamples,
};
