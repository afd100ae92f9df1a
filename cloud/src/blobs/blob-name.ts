import { ConfigError } from "@psgl/sdk";

const pattern = /^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/;

/** The name, when every store can keep it. @throws ConfigError `PSGL_BLOB_NAME`. */
export function checkedName(name: string): string {
	if (pattern.test(name) && name.length <= 128) return name;
	throw new ConfigError("PSGL_BLOB_NAME", {
		what: "this cannot name a blob",
		got: JSON.stringify(name.slice(0, 200)),
		expected: "at most 128 letters, digits, - and _, with / between them",
	});
}
