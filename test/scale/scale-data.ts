import { smallDataset } from "../helpers/small-model.js";

/** Data for so many devices with so many batches of two samples each. */
export function scaleData(devices: number, batches: number) {
	return {
		name: "small",
		synthetic: true,
		train: smallDataset(2 * batches * devices),
		validation: smallDataset(2 * devices, 2),
		test: smallDataset(2, 3),
	};
}
