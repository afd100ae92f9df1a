import type { AggregatorContext } from "./context.js";

/** Gives devices that a restart has cut off time to come back, as long as a step may take: what begins now is for those that are there. */
export async function awaitReturn(context: AggregatorContext, devices: readonly string[]): Promise<void> {
	const { roster, changed, clock, settings, stopping } = context;
	const deadline = clock.now() + settings.stepTimeoutMs;
	const away = () => devices.some((id) => roster.get(id)?.online === false);
	while (away() && !stopping.aborted) if (!(await changed.wait(deadline))) break;
}
