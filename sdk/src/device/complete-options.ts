import type { DeviceOptions } from "./device-options.js";
import type { CompleteKit } from "./start-up-kit.js";

/** Options with the kit in place of its file's name. */
export type CompleteOptions = Omit<DeviceOptions, "kit"> & { readonly kit?: CompleteKit | undefined };

/**
 * Reads the kit's file, and takes ONNX Runtime for Node.js where the options name no runtime; both are loaded only then.
 * @throws ConfigError `PSGL_KIT`.
 */
export async function completeOptions({ kit, ...options }: DeviceOptions): Promise<CompleteOptions> {
	const named = typeof kit === "string" ? undefined : kit;
	const complete = options.runtime !== undefined || options.segments !== undefined;
	if (complete && typeof kit !== "string") return { ...options, kit: named };
	// A browser has neither files nor that runtime; what is missing is said where the options are checked.
	if (globalThis.process?.versions?.node === undefined) return { ...options, kit: named };
	const { nodeRuntime, readStartUpKit } = await import("./node-defaults.js");
	return {
		...options,
		kit: typeof kit === "string" ? await readStartUpKit(kit) : kit,
		runtime: complete ? options.runtime : nodeRuntime,
	};
}
