import { type ConsoleEvent, consoleEvent } from "../../board/console-event.js";
import type { ApiContext } from "../api-context.js";
import { type Route, streamRoute } from "../route.js";

/** What happens, as it happens. */
export function eventRoutes({ events }: ApiContext): readonly Route[] {
	return [
		streamRoute({
			path: "/events",
			id: "followEvents",
			summary: "Server-Sent Events: steps, rounds, and which parts of the API have another answer now",
			access: "viewer",
			answer: consoleEvent,
			frequent: ({ type }) => type === "step",
			run: () => greeted(events.read()),
		}),
	];
}

/** Whoever asks learns at once that events are on their way. */
async function* greeted(events: AsyncIterable<ConsoleEvent>): AsyncGenerator<ConsoleEvent> {
	yield { type: "tick" };
	yield* events;
}
