import { z } from "zod";
import type { Route } from "./route.js";

/** Everything of the API lies below. */
export const apiPath = "/api/v1";

/** The body of every answer that is none of the 200s. */
export const errorAnswer = z.strictObject({
	code: z.string().describe("stable, see docs/troubleshooting.md"),
	what: z.string(),
	path: z.string().optional().describe("place in the body or query, parts with dots between"),
	got: z.string().optional(),
	expected: z.string().optional(),
	remedy: z.string().optional(),
});

/** Name of the header that every request but GET carries: a form of another site cannot set one. */
export const requestHeader = "Psgl-Request";

/** The API as OpenAPI 3.1 describes it, made from the routes that answer. */
export function describeApi(
	routes: readonly Route[],
	version: string,
	cookie: string,
): Readonly<Record<string, unknown>> {
	const paths: Record<string, Record<string, unknown>> = {};
	for (const route of routes) {
		const path = `${apiPath}${route.path}`;
		paths[path] ??= {};
		paths[path][route.method.toLowerCase()] = operation(route);
	}
	return {
		openapi: "3.1.0",
		info: {
			title: "psgl operations",
			version,
			description:
				"What a psgl cloud does, and what an operator may do about it. docs/operations.md tells how to log in.",
			license: { name: "Apache-2.0", identifier: "Apache-2.0" },
		},
		servers: [{ url: "/" }],
		paths,
		components: {
			schemas: { Error: jsonSchema(errorAnswer, "output") },
			securitySchemes: { session: { type: "apiKey", in: "cookie", name: cookie } },
		},
	};
}

function operation(route: Route): Readonly<Record<string, unknown>> {
	const { id, summary, access, body, answer, stream = false, method } = route;
	const content = { [stream ? "text/event-stream" : "application/json"]: { schema: jsonSchema(answer, "output") } };
	const failed = {
		description: "what was wrong",
		content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
	};
	return {
		operationId: id,
		summary,
		description: access === "everyone" ? "Everyone may ask." : `Needs the role ${access}.`,
		security: access === "everyone" ? [] : [{ session: [] }],
		parameters: parameters(route),
		...(body && {
			requestBody: { required: true, content: { "application/json": { schema: jsonSchema(body, "input") } } },
		}),
		responses: { 200: { description: stream ? "events, one JSON object each" : "done", content }, default: failed },
		...(method !== "GET" && { "x-psgl-header": requestHeader }),
	};
}

function parameters({ path, query, method }: Route): readonly unknown[] {
	const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => ({
		name,
		in: "path",
		required: true,
		schema: { type: "string" },
	}));
	const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
		name,
		in: "query",
		required: false,
		schema: jsonSchema(schema as z.ZodType, "input"),
	}));
	const header = { name: requestHeader, in: "header", required: true, schema: { const: "1" } };
	return [...inPath, ...inQuery, ...(method === "GET" ? [] : [header])];
}

/** JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): unknown {
	const { $schema: _, ...own } = z.toJSONSchema(schema, { io });
	return own;
}
