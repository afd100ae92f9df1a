import { seededRandom } from "@psgl/sdk";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";
import { dealByPatient, dealDirichlet, dealIid } from "./deal.js";

/** How a data set is dealt to devices (`dealIid`, `dealDirichlet`, `dealByPatient`). */
export type Deal = "iid" | "patient" | { readonly dirichlet: number };

/** What one device gets. */
export interface Share {
	readonly train: Dataset;
	/** Undefined where there are more devices than validation samples. */
	readonly validation: Dataset | undefined;
}

/**
 * Deals the training part as `deal` says, and the validation part IID: it measures the whole system, whoever holds it.
 * The same seed deals the same way.
 * @throws as the dealing function.
 */
export function dealSplits(data: DataSplits, devices: number, deal: Deal, seed: number): Share[] {
	const random = seededRandom(seed).fork("deal");
	const { train, validation } = data;
	const hands = dealTrain(train, devices, deal, random.fork("train"));
	const holders = Math.min(devices, validation.length);
	const validationHands = holders > 0 ? dealIid(validation, holders, random.fork("validation")) : [];
	return hands.map((indices, i) => {
		const own = validationHands[i];
		return { train: train.subset(indices), validation: own && validation.subset(own) };
	});
}

function dealTrain(
	train: Dataset,
	devices: number,
	deal: Deal,
	random: ReturnType<typeof seededRandom>,
): Uint32Array[] {
	if (deal === "iid") return dealIid(train, devices, random);
	if (deal === "patient") return dealByPatient(train, devices, random);
	return dealDirichlet(train, devices, deal.dirichlet, random);
}
