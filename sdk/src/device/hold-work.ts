import { budgetLimits } from "../budget/budget-limits.js";
import { twinVersion } from "../protocol/index.js";
import type { ClientModel } from "./client-model.js";
import type { DeviceEvent } from "./device-event.js";
import { post, type Training } from "./exchange.js";

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

/** Applies what the device's operator wants by now, and tells of it. Call it where nothing is half done. */
export function* followTwin(training: Training): Generator<DeviceEvent, void> {
	const { twin, records, welcome } = training.enrolment;
	if (!twin.apply()) return;
	const report = twin.report(records.ledger.totals);
	if ((welcome?.protocol ?? 1) >= twinVersion) post(training, report);
	const { version, settings, errors } = report;
	yield { type: "configured", version, settings, errors };
}

/** Waits, between two batches, while the device's budget does not let it work, and tells of it. */
export async function* holdWork(training: Training): AsyncGenerator<DeviceEvent, void> {
	const { gate, link, mailbox, clock, signal } = training;
	for (;;) {
		yield* followTwin(training);
		if (await gate.look()) {
			link.announce();
			const { paused } = gate;
			yield paused.length > 0 ? { type: "paused", reasons: paused } : { type: "resumed" };
		}
		if (gate.paused.length === 0) return;
		await mailbox.rest({ clock, signal, timeoutMs: budgetLimits.pauseCheckMs });
	}
}
