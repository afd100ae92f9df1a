import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import { cloudLimits as limits } from "../../limits.js";
import { ApiError } from "./api-error.js";

/** Reads a body of JSON and checks it. @throws ApiError `PSGL_API_TOO_LARGE`, `PSGL_API_INVALID`. */
export async function readBody<S extends z.ZodType>(request: IncomingMessage, schema: S): Promise<z.output<S>> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of request as AsyncIterable<Buffer>) {
		bytes += chunk.length;
		if (bytes > limits.apiBodyBytes) {
			throw new ApiError(413, "PSGL_API_TOO_LARGE", {
				what: "the body is too long",
				got: `more than ${limits.apiBodyBytes} bytes`,
				expected: `at most ${limits.apiBodyBytes} bytes`,
			});
		}
		chunks.push(chunk);
	}
	let json: unknown;
	try {
		json = JSON.parse(Buffer.concat(chunks).toString("utf8"));
	} catch (error) {
		throw new ApiError(400, "PSGL_API_INVALID", {
			what: "the body is no JSON",
			got: (error as Error).message,
			expected: "an object as /api/v1/openapi.json describes it",
		});
	}
	return checked(json, schema, "the body");
}

/** Checks what came in; the error names the first place that does not fit. @throws ApiError `PSGL_API_INVALID`. */
export function checked<S extends z.ZodType>(value: unknown, schema: S, what: string): z.output<S> {
	const result = schema.safeParse(value);
	if (result.success) return result.data;
	const [issue] = result.error.issues;
	const path = issue?.path.map(String).join(".") ?? "";
	throw new ApiError(400, "PSGL_API_INVALID", {
		what: `${what} does not fit`,
		path,
		got: shown(valueAt(value, issue?.path ?? [])),
		expected: issue?.message ?? "what /api/v1/openapi.json describes",
	});
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
	let at = value;
	for (const key of path)
		at = typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined;
	return at;
}

/** The kind of what was got, never the value: it may be a password. */
function shown(value: unknown): string {
	if (value === null) return "null";
	if (Array.isArray(value)) return "an array";
	return typeof value === "string" ? `a text of ${value.length} characters` : typeof value;
}
