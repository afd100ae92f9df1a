import type { ForeignModel } from "./foreign-model.js";
import { listCuts } from "./list-cuts.js";
import { splitModel } from "./split-model.js";

/** The nearest cut behind a node of the model, by the names of its tensors in the file; undefined where there is none. */
export function avoidingCut(model: ForeignModel, node: string): readonly string[] | undefined {
	return listCuts(model)
		.map(({ cut }) => cut)
		.find((cut) => splitModel(model, cut).client.some(({ name }) => name === node));
}
