import { ConfigError } from "@psgl/sdk";

/** A setting that no device would take. */
export function twinRefused(key: string, got: string): ConfigError {
	return new ConfigError("PSGL_TWIN_REFUSED", {
		what: `${key} of a device's twin cannot be used`,
		got,
		remedy: "See docs/device.md for every setting and its range",
	});
}
