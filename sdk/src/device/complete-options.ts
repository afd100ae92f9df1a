import type { DeviceOptions } from "./device-options.js";
import type { CompleteKit } from "./start-up-kit.js";

/** Options with the kit in place of its file's name. */
export type CompleteOptions = Omit<DeviceOptions, "kit"> & { readonly kit?: CompleteKit | undefined };

/**
 * Reads the kit's file, and takes ONNX Runtime for Node.js and this machine where the options name no other; they are loaded only then.
 * @throws ConfigError `PSGL_KIT`.
 */
export async function completeOptions({ kit, ...options }: DeviceOptions): Promise<CompleteOptions> {
	const named = typeof kit === "string" ? undefined : kit;
	const runs = options.runtime !== undefined || options.segments !== undefined;
	const asks = options.budget !== undefined && options.host === undefined;
	if (runs && !asks && typeof kit !== "string") return { ...options, kit: named };
	// A browser has neither files nor that runtime; what is missing is said where the options are checked.
	if (globalThis.process?.versions?.node === undefined) return { ...options, kit: named };
	const { nodeHost, nodeRuntime, readStartUpKit } = await import("./node-defaults.js");
	return {
		...options,
		kit: typeof kit === "string" ? await readStartUpKit(kit) : kit,
		runtime: runs ? options.runtime : nodeRuntime,
		host: options.host ?? nodeHost(),
	};
}
