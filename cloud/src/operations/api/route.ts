import type { z } from "zod";
import type { Role, User } from "../access/user.js";

/** Who may use a route. */
export type Access = "everyone" | Role;

/** A request that was checked. */
export interface Call<B = unknown, Q = unknown> {
	/** Parts of the path in braces. */
	readonly params: Readonly<Record<string, string>>;
	readonly query: Q;
	readonly body: B;
	/** Undefined only where everyone may come, and nobody is logged in. */
	readonly user: User | undefined;
	/** Address the request came from. */
	readonly peer: string;
	/** Token of the session, where there is one. */
	readonly token: string | undefined;
	/** Gives the browser a session, or takes it away. */
	readonly setToken: (token: string | undefined) => void;
}

/** One operation of the HTTP API: what it takes, what it answers, and who may use it. */
export interface Route {
	readonly method: "GET" | "POST" | "DELETE";
	/** Below `/api/v1`, parts in braces are parameters: `/devices/{id}`. */
	readonly path: `/${string}`;
	/** Name of the operation for programs made from the description. */
	readonly id: string;
	readonly summary: string;
	readonly access: Access;
	readonly query?: z.ZodObject | undefined;
	readonly body?: z.ZodType | undefined;
	readonly answer: z.ZodType;
	/** Answered by Server-Sent Events, each as `answer` says. */
	readonly stream?: boolean | undefined;
	/** Of a stream: whether an event is one of so many that the session is not looked at before each. */
	readonly frequent?: ((event: never) => boolean) | undefined;
	readonly run: (call: Call) => unknown;
}

/** A route whose `run` gets what its schemas promise, and answers what they promise. */
export function route<
	A extends z.ZodType,
	B extends z.ZodType = z.ZodUndefined,
	Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
>(
	description: Omit<Route, "answer" | "body" | "query" | "run"> & {
		readonly answer: A;
		readonly body?: B;
		readonly query?: Q;
		readonly run: (call: Call<z.output<B>, z.output<Q>>) => z.input<A> | Promise<z.input<A>>;
	},
): Route {
	return description as unknown as Route;
}

/** A route answered by events as they happen. */
export function streamRoute<A extends z.ZodType>(
	description: Omit<Route, "answer" | "body" | "query" | "run" | "stream" | "method" | "frequent"> & {
		readonly answer: A;
		readonly frequent: (event: z.input<A>) => boolean;
		readonly run: (call: Call) => AsyncIterableIterator<z.input<A>>;
	},
): Route {
	return { ...description, method: "GET", stream: true } as Route;
}
