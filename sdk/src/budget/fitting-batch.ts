import type { Manifest } from "../artifact/index.js";
import { LimitError } from "../errors.js";
import { budgetLimits } from "./budget-limits.js";

/** Batch normalisation needs the spread of at least two samples. */
const fewestSamples = 2;

/**
 * Samples of a training batch that a device's memory takes.
 * @param batchSize what the aggregator wants
 * @param ceilingBytes the device's budget for the whole process
 * @param usedBytes what the process takes before it trains
 * @throws LimitError `PSGL_DEVICE_MEMORY` when not even the smallest batch fits.
 */
export function fittingBatch(
	{ name, memory }: Manifest,
	batchSize: number,
	ceilingBytes: number,
	usedBytes: number,
): number {
	const { fixedBytes = 0, sampleBytes = 0 } = memory ?? {};
	const around = usedBytes + budgetLimits.reserveBytes + fixedBytes;
	const room = ceilingBytes - around;
	const fits = sampleBytes === 0 ? (room >= 0 ? batchSize : 0) : Math.floor(room / sampleBytes);
	if (fits >= Math.min(fewestSamples, batchSize)) return Math.min(batchSize, fits);
	const needed = around + fewestSamples * sampleBytes;
	throw new LimitError("PSGL_DEVICE_MEMORY", {
		what: `the model ${name} does not fit the memory this device may take`,
		got: `about ${Math.ceil(needed / 2 ** 20)} MiB for batches of ${fewestSamples}`,
		expected: `at most ${Math.floor(ceilingBytes / 2 ** 20)} MiB`,
		remedy: "Raise the budget's memoryBytes, or compile a model with an earlier cut or a smaller client segment",
	});
}
