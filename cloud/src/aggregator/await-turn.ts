import type { ReadyBatch } from "./batch-intake.js";
import type { AggregatorContext } from "./context.js";
import type { Member } from "./member.js";
import { batchOutlier } from "./refusals.js";
import type { GuardedBatch } from "./smashed-guard.js";

export interface Turn {
	readonly round: number;
	/** Whether the lane has other devices, which hold the places until their own turn. */
	readonly isShared: boolean;
}

/**
 * Waits for the next batch of every device of a group, as long as a step may take; a device that misses it is left behind until its batch
 * comes. Those whose batches make the next step: none when training is to stop.
 */
export async function awaitTurn(
	context: AggregatorContext,
	group: readonly Member[],
	{ round, isShared }: Turn,
): Promise<readonly Member[]> {
	let deadline = context.clock.now() + context.settings.stepTimeoutMs;
	for (;;) {
		const missing = group.filter((m) => !m.isDone && !m.leftBehind && m.batch === undefined);
		if (missing.length === 0) break;
		const queued = missing.map((m) => m.device.id).filter((id) => context.intake.isQueued(id));
		if (queued.length > 0) {
			// Others hold the places until their own turn; a device that learns alone waits for nobody's turn.
			if (isShared) context.intake.press(queued);
			else await context.changed.wait();
			if (context.stopping.aborted) return [];
			// Its time starts when it may send.
			deadline = context.clock.now() + context.settings.stepTimeoutMs;
			continue;
		}
		const inTime = await context.changed.wait(deadline);
		if (context.stopping.aborted) return [];
		if (inTime) continue;
		for (const member of missing) {
			if (member.batch !== undefined || member.isDone) continue;
			member.leftBehind = true;
			context.intake.leave(member.device.id);
			context.emit({ type: "left-behind", round, device: member.device.id });
		}
		break;
	}
	const ready = group.filter((m) => m.batch !== undefined);
	for (const member of ready) {
		if (!member.leftBehind) continue;
		member.leftBehind = false;
		context.emit({ type: "taken-back", round, device: member.device.id });
	}
	return context.settings.outlierGuard ? withoutOutliers(context, ready, round) : ready;
}

/** Batches as the guard on smashed data takes them. */
export function guarded(batches: readonly ReadyBatch[]): readonly GuardedBatch[] {
	return batches.map(({ identity, smashed }) => ({ device: identity.device, smashed }));
}

/** Refuses batches that are unlike those of the other devices. What the guard decided is in the log; a replay does not ask it. */
function withoutOutliers(context: AggregatorContext, ready: readonly Member[], round: number): readonly Member[] {
	const batches = ready.map((member) => member.batch as ReadyBatch);
	const outliers = context.guard.judge(guarded(batches));
	for (const { index, reason } of outliers) {
		const { identity } = batches[index] as ReadyBatch;
		(ready[index] as Member).take();
		context.emit({ type: "outlier", of: "batch", round, device: identity.device, reason });
		context.intake.refuse(identity, batchOutlier(reason));
	}
	return ready.filter((_, i) => outliers.every(({ index }) => index !== i));
}
