import { ConfigError } from "../errors.js";

/**
 * A page's own address, whole: from another origin it would run code that nobody there checked.
 * @param whose package whose files they are, for the message
 * @throws ConfigError `PSGL_WEB_WASM_ORIGIN`
 */
export function requireOwnOrigin(address: string | URL, whose: string): string {
	const { href, origin } = new URL(address, globalThis.location.href);
	if (origin === globalThis.location.origin) return href;
	throw new ConfigError("PSGL_WEB_WASM_ORIGIN", {
		what: `the files of ${whose} are to be loaded from another origin`,
		got: origin,
		expected: globalThis.location.origin,
		remedy: `Copy the .wasm files of ${whose} beside the page`,
	});
}
