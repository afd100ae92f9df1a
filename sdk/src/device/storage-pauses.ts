import type { WorkGate } from "../budget/work-gate.js";
import type { WaitingStore } from "../store/waiting-store.js";
import type { DeviceEvent } from "./device-event.js";
import { pauseEvent } from "./hold-work.js";

/**
 * What a device that trains tells, and, while it waits for its storage, that it does and that it goes on. A reader that leaves, or `signal`,
 * ends the waiting.
 */
export async function* tellStoragePauses(
	events: AsyncGenerator<DeviceEvent, void>,
	{ gate, store, signal }: { gate: WorkGate; store: WaitingStore | undefined; signal: AbortSignal | undefined },
): AsyncGenerator<DeviceEvent, void> {
	if (store === undefined) return yield* events;
	const stop = () => store.giveUp();
	signal?.addEventListener("abort", stop, { once: true });
	let told = false;
	let next = events.next();
	try {
		for (;;) {
			const item = await firstOf(next, store, () => (store.failure !== undefined) !== told);
			if (item === "changed") {
				told = !told;
				yield pauseEvent(gate, store);
				continue;
			}
			if (item.done === true) return;
			yield item.value;
			next = events.next();
		}
	} catch (error) {
		signal?.throwIfAborted();
		throw error;
	} finally {
		signal?.removeEventListener("abort", stop);
		if (store.failure !== undefined) stop();
		await events.return();
	}
}

/** The next event, or that what was told of the storage no longer holds. */
function firstOf(
	next: Promise<IteratorResult<DeviceEvent, void>>,
	store: WaitingStore,
	isStale: () => boolean,
): Promise<IteratorResult<DeviceEvent, void> | "changed"> {
	return new Promise((resolve, reject) => {
		const look = () => {
			if (isStale()) resolve("changed");
		};
		const leave = store.watch(look);
		next.then(resolve, reject).finally(leave);
		look();
	});
}
