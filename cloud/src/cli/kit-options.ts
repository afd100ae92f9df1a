import { readFile } from "node:fs/promises";
import { type CompleteKit, ConfigError, type DeviceOptions, parseStartUpKit } from "@psgl/sdk";
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
	if (options.kit === undefined) return undefined;
	const text = await readSecret(options.kit);
	return parseStartUpKit(text, options.key === undefined ? undefined : await readSecret(options.key));
}

/**
 * Where a device connects and as whom: by its kit, or by URL and id.
 * @throws ConfigError `PSGL_KIT`, `PSGL_OPTION_MISSING`.
 */
export async function readAddress(
	options: Parameters<typeof readKit>[0] & { readonly url?: string | undefined; readonly id?: string | undefined },
): Promise<Pick<DeviceOptions, "id" | "url" | "kit">> {
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

async function readSecret(path: string): Promise<string> {
	try {
		return await readFile(path, "utf8");
	} catch (cause) {
		throw new ConfigError("PSGL_KIT", {
			what: `${path} cannot be read`,
			got: (cause as Error).message,
			remedy: "Check the paths given with --kit and --key, and who may read them",
			cause,
		});
	}
}
