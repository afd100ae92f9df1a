import { createContext, Script } from "node:vm";

const script = new Script("run()");
const room: { run?: () => unknown } = createContext({});

/** How often its time by the clock a computation gets that had less than one part in as many of it on the processor. */
const patience = 4;

/** Milliseconds of the processor's time this process has taken so far. */
function processorMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
}

/**
 * Runs what computes without pause, WebAssembly included, and may never end. It is stopped by the clock; on a machine with other work that says
 * little, so what got less than a quarter of its time on the processor is started once more, with four times as long.
 * @param start makes what to run, anew for each attempt: what it was computing with is in any state when it is stopped
 * @param ms of the processor's time
 * @throws Error when the time is over, or what `start` or the computation throws
 */
export async function runBounded<T>(
	start: () => Promise<() => T>,
	ms: number,
	usedMs: () => number = processorMs,
): Promise<T> {
	const run = await start();
	const before = usedMs();
	try {
		return runOnce(run, ms);
	} catch (error) {
		const used = usedMs() - before;
		if (!(error instanceof TimeOver) || used >= ms / patience) throw error;
		return runOnce(await start(), patience * ms);
	}
}

class TimeOver extends Error {}

/** @param ms of the clock's time */
function runOnce<T>(run: () => T, ms: number): T {
	room.run = run;
	try {
		return script.runInContext(room, { timeout: ms }) as T;
	} catch (error) {
		// It is of the other context, and no Error here.
		if ((error as { readonly code?: string }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
		throw new TimeOver(`it took longer than ${ms} ms`);
	} finally {
		delete room.run;
	}
}
