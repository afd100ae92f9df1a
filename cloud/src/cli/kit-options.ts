import { type CompleteKit, ConfigError } from "@psgl/sdk";
import { readStartUpKit } from "@psgl/sdk/kit";
import { z } from "zod";
import { defaultUrl } from "./common-options.js";
import { option } from "./options/option.js";

/** How a device proves who it is. */
export const kitOptions = {
	kit: option("FILE", "start-up kit made by psgl provision device; names id and broker", z.string().optional()),
	key: option("FILE", "private key the device made itself, for a kit without one", z.string().optional()),
};

/** The kit of a command line, if one is given. @throws ConfigError `PSGL_KIT`. */
export async function readKit(options: {
	readonly kit?: string | undefined;
	readonly key?: string | undefined;
}): Promise<CompleteKit | undefined> {
	return options.kit === undefined ? undefined : readStartUpKit(options.kit, options.key);
}

/** Where a device connects, and as whom. */
export interface Address {
	readonly id?: string | undefined;
	readonly url?: string | undefined;
	readonly kit?: CompleteKit | undefined;
}

/**
 * Where a device connects and as whom: by its kit, or by URL and id.
 * @throws ConfigError `PSGL_KIT`, `PSGL_OPTION_MISSING`.
 */
export async function readAddress(
	options: Parameters<typeof readKit>[0] & { readonly url?: string | undefined; readonly id?: string | undefined },
): Promise<Address> {
	const { url, id } = options;
	const kit = await readKit(options);
	if (kit !== undefined) return { kit, id, url };
	if (id !== undefined) return { id, url: url ?? defaultUrl };
	throw new ConfigError("PSGL_OPTION_MISSING", {
		what: "the device has no name",
		expected: "--kit or --id",
		remedy: "Give the start-up kit with --kit, or a name with --id",
	});
}
