import { createContext, Script } from "node:vm";

const script = new Script("run()");
const room: { run?: () => unknown } = createContext({});

/**
 * Runs what computes without pause, WebAssembly included, and may never end. What it was computing with is in any state when it is
 * stopped.
 * @param ms of the clock's time
 * @throws Error when the time is over, or what `run` throws
 */
export function runBounded<T>(run: () => T, ms: number): T {
	room.run = run;
	try {
		return script.runInContext(room, { timeout: ms }) as T;
	} catch (error) {
		// It is of the other context, and no Error here.
		if ((error as { readonly code?: string }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
		throw new Error(`it took longer than ${ms} ms`);
	} finally {
		delete room.run;
	}
}
