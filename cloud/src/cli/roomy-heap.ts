import { setFlagsFromString } from "node:v8";
import { useRoomForResults } from "@psgl/sdk/runtime/node";

/** Percent by which the heap, memory of messages and tensors included, may grow over what is in use before V8 collects all of it. */
const growingPercent = 400;

/**
 * For processes that serve many devices. Of their heap little is objects and most is bytes of messages on the way, which V8 counts as growth: it
 * would look through all objects every few steps, a sixth of the processor's time (docs/performance.md).
 */
export function useRoomyHeap(): void {
	setFlagsFromString(`--heap-growing-percent=${growingPercent}`);
	// Code that was not run between two collections is not thrown away, to be compiled again.
	setFlagsFromString("--no-flush-bytecode");
	useRoomForResults();
}
