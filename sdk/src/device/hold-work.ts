import { budgetLimits } from "../budget/budget-limits.js";
import type { ClientModel } from "./client-model.js";
import type { DeviceEvent } from "./device-event.js";
import type { Training } from "./exchange.js";

/** Samples of each batch of a round that fit the memory the device may take; tells when they are fewer than the aggregator wants. */
export async function* fitBatches(
	{ gate }: Training,
	{ segment, welcome }: ClientModel,
	epoch: number,
): AsyncGenerator<DeviceEvent, number> {
	const { batchSize } = welcome;
	const samples = gate.fittingBatch(segment.artifact.manifest, batchSize);
	if (samples < batchSize) yield { type: "batch-shrunk", epoch, samples, batchSize };
	return samples;
}

/** Rests after `busyMs` of computing, as long as the budget's duty cycle says. */
export async function rest({ gate, mailbox, clock, signal }: Training, busyMs: number): Promise<void> {
	await mailbox.rest({ clock, signal, timeoutMs: gate.restMs(busyMs) });
}

/** Waits, between two batches, while the device's budget does not let it work, and tells of it. */
export async function* holdWork({ gate, link, mailbox, clock, signal }: Training): AsyncGenerator<DeviceEvent, void> {
	for (;;) {
		if (await gate.look()) {
			link.announce();
			const { paused } = gate;
			yield paused.length > 0 ? { type: "paused", reasons: paused } : { type: "resumed" };
		}
		if (gate.paused.length === 0) return;
		await mailbox.rest({ clock, signal, timeoutMs: budgetLimits.pauseCheckMs });
	}
}
