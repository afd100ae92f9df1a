import { interrupted } from "./exit-codes.js";

/**
 * A signal that Ctrl-C or SIGTERM aborts. The first one lets the work end in good order; the second ends
 * the process at once.
 */
export function interruptSignal(onFirst: () => void): { readonly signal: AbortSignal; dispose(): void } {
	const controller = new AbortController();
	const handle = (): void => {
		if (controller.signal.aborted) process.exit(interrupted);
		onFirst();
		controller.abort();
	};
	process.on("SIGINT", handle);
	process.on("SIGTERM", handle);
	return {
		signal: controller.signal,
		dispose: () => {
			process.off("SIGINT", handle);
			process.off("SIGTERM", handle);
		},
	};
}
