import { PsglError } from "@psgl/sdk";

/** What was wrong with a request, with its HTTP status. */
export class ApiError extends PsglError {
	readonly exitCode = 2;
	/** HTTP status (RFC 9110 section 15). */
	readonly status: number;
	/** Place in the body or query, for instance `password`; undefined where it is about the request as a whole. */
	readonly path: string | undefined;

	constructor(
		status: number,
		code: string,
		parts: { what: string; got?: string | undefined; expected?: string; remedy?: string; path?: string },
	) {
		super(code, parts);
		this.status = status;
		this.path = parts.path;
	}
}

/** Nobody is logged in, or the session is over. */
export function notLoggedIn(): ApiError {
	return new ApiError(401, "PSGL_API_LOGIN", {
		what: "nobody is logged in, or the session is over",
		remedy: "Log in",
	});
}

/** There is no such path, or no such thing under it. */
export function notFound(what: string, got: string): ApiError {
	return new ApiError(404, "PSGL_API_NOT_FOUND", { what, got, remedy: "See /api/v1/openapi.json for what there is" });
}

/** Too many attempts from one place. */
export function tooManyAttempts(): ApiError {
	return new ApiError(429, "PSGL_API_RATE", {
		what: "there were too many attempts to log in",
		remedy: "Wait a minute",
	});
}

/** The cloud has not begun its work, or has none of this kind. */
export function notNow(what: string, remedy: string): ApiError {
	return new ApiError(409, "PSGL_API_CONFLICT", { what, remedy });
}
