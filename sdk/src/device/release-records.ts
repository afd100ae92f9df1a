import type { CodeTensor, LabelTensor, WireTensor } from "../protocol/index.js";
import type { Dataset } from "../sources/dataset.js";
import type { ClientModel } from "./client-model.js";
import { type DeployedRelease, releaseDeployed, rowsOf } from "./deployed-forward.js";
import type { Training } from "./exchange.js";
import { wireLabels } from "./wire-codec.js";

/** Labelled samples of a data set as deployed, as far as the ledger allows. */
export interface ReleasedRecords extends DeployedRelease {
	/** What a message holds of them; undefined when that is nothing. */
	readonly tensors: { readonly smashed: WireTensor | CodeTensor; readonly labels: LabelTensor } | undefined;
}

/** Counts the release of samples with their labels and makes what leaves of them. @throws DataError `PSGL_LEDGER_DAMAGED`. */
export async function releaseRecords(
	{ enrolment, noise, digests }: Training,
	model: ClientModel,
	data: Dataset,
	indices: Uint32Array,
): Promise<ReleasedRecords> {
	const { x, y } = data.batch(indices);
	const names = await digests.of(data, indices, x);
	const { ledger } = enrolment.records;
	const released = await releaseDeployed({ model, ledger, noise }, { x, digests: names, labels: y });
	const { smashed, permit } = released;
	const labels = rowsOf(y, permit.admitted);
	const classes = model.segment.artifact.manifest.classes.length;
	return { ...released, tensors: smashed && labels && { smashed, labels: wireLabels(labels, classes) } };
}
