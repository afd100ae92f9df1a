import type { DType, Tensor } from "@psgl/sdk";
import type { Shape, Value } from "../graph/graph.js";
import type { DropoutTreatment } from "./dropout-rule.js";
import type { ExternalData } from "./external-data.js";

/** How the importing graph takes up what the file declares. */
export interface ImportBindings {
	/** The value that stands for an input of the file. */
	input(name: string, dtype: DType, shape: Shape): Value;
	/** The value that stands for an initialiser (a weight or a constant). */
	initializer(name: string, value: Tensor): Value;
	/** What Dropout nodes in training mode do. Default: they are refused. */
	readonly dropout?: DropoutTreatment;
	/** Reads weights that lie in files beside the model, see `externalDataFolder`. Default: they are refused. */
	readonly external?: ExternalData;
	/** Told in one sentence what was read in another way than the file has it. */
	note?(text: string): void;
	/** Another name for a value, which `Identity` gives it. Left out: both names stand for the same value. */
	alias?(name: string, value: Value): Value;
	/** Read batch normalisation as it is outside training, also where the file was exported in training mode. */
	readonly outsideTraining?: boolean;
	/** Told of every value under the name it has in the file. */
	named?(name: string, value: Value): void;
}
