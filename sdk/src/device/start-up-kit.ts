import { z } from "zod";
import { ConfigError } from "../errors.js";
import { deviceIdPattern } from "../protocol/index.js";
import { signedDocumentSchema } from "../trust/signed-document.js";

const pem = (label: string) =>
	z
		.string()
		.max(65_536)
		.regex(new RegExp(`^-----BEGIN ${label}-----`), `PEM of a ${label.toLowerCase()}`);

const schema = z.strictObject({
	format: z.literal(1),
	id: z.string().regex(deviceIdPattern),
	url: z.string().max(2048),
	authority: pem("CERTIFICATE"),
	certificate: pem("CERTIFICATE"),
	key: pem("PRIVATE KEY").optional(),
	/** Who signs models. With it the device takes no other. */
	root: signedDocumentSchema.optional(),
});

/**
 * What one device needs to reach its broker, in one JSON file made by `psgl provision device`. All keys and certificates are
 * in PEM. The key is left out when the device made it itself and asked for a certificate of it.
 */
export type StartUpKit = Readonly<z.infer<typeof schema>>;

/** A kit and the device's key. */
export type CompleteKit = StartUpKit & { readonly key: string };

/**
 * Reads the text of a kit.
 * @param key the device's private key in PEM, where the kit holds none
 * @throws ConfigError `PSGL_KIT` when the text is no kit, or no key is there.
 */
export function parseStartUpKit(text: string, key?: string): CompleteKit {
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch (cause) {
		// Not the parser's message: it quotes the text, and with it the key.
		throw unusable("no JSON", cause instanceof SyntaxError ? undefined : cause);
	}
	const parsed = schema.safeParse(json);
	if (!parsed.success) {
		const issue = parsed.error.issues[0];
		throw unusable(`${issue?.path.join(".") || "the whole"}: ${issue?.message}`);
	}
	const ownKey = key ?? parsed.data.key;
	if (ownKey === undefined) throw unusable("a kit without a key", undefined, "Name the key the device made with --key");
	return { ...parsed.data, key: ownKey };
}

function unusable(got: string, cause?: unknown, remedy = "Make a new one with psgl provision device"): ConfigError {
	return new ConfigError("PSGL_KIT", { what: "the start-up kit cannot be used", got, remedy, cause });
}
