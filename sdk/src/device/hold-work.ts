import { budgetLimits } from "../budget/budget-limits.js";
import type { WorkGate } from "../budget/work-gate.js";
import { LimitError } from "../errors.js";
import { twinVersion } from "../protocol/index.js";
import type { WaitingStore } from "../store/waiting-store.js";
import type { ClientModel } from "./client-model.js";
import type { DeviceEvent } from "./device-event.js";
import { post, type Training } from "./exchange.js";

/**
 * Samples of each batch of a round that fit the memory the device may take; tells when they are fewer than the aggregator wants. Undefined, and told,
 * when not even the fewest fit: the round waits for more room, or for the aggregator to go on without this device.
 */
export async function* fitBatches(
	{ gate }: Training,
	{ segment, welcome }: ClientModel,
	epoch: number,
): AsyncGenerator<DeviceEvent, number | undefined> {
	const { batchSize } = welcome;
	let samples: number;
	try {
		samples = gate.fittingBatch(segment.artifact.manifest, batchSize);
	} catch (error) {
		if (!(error instanceof LimitError)) throw error;
		yield { type: "rejected", error };
		return undefined;
	}
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

/** Why the device pauses now, or that it does not. */
export function pauseEvent({ paused }: WorkGate, store: WaitingStore | undefined): DeviceEvent {
	return paused.length > 0 ? { type: "paused", reasons: paused, error: store?.failure } : { type: "resumed" };
}

/** Waits, between two batches, while the device's budget does not let it work, and tells of it. */
export async function* holdWork(training: Training): AsyncGenerator<DeviceEvent, void> {
	const { gate, store, link, mailbox, clock, signal } = training;
	for (;;) {
		yield* followTwin(training);
		if (await gate.look()) {
			link.announce();
			yield pauseEvent(gate, store);
		}
		if (gate.paused.length === 0) return;
		await mailbox.rest({ clock, signal, timeoutMs: budgetLimits.pauseCheckMs });
	}
}
