import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { ConsoleEvent } from "../../src/operations/board/console-event.js";

type Listener = (event: ConsoleEvent) => void;

/** Events of the cloud as they happen, for every part of the page that wants them. */
export class LiveFeed {
	readonly #listeners = new Set<Listener>();
	readonly #states = new Set<(connected: boolean) => void>();
	readonly #onClosed: () => void;
	#source: EventSource | undefined;
	#connected = false;

	/** @param onClosed the browser gave up: the session may be over */
	constructor(onClosed: () => void) {
		this.#onClosed = onClosed;
	}

	get connected(): boolean {
		return this.#connected;
	}

	open(): void {
		const source = new EventSource("/api/v1/events");
		this.#source = source;
		source.onopen = () => {
			// Whatever happened while the link was away has to be asked for.
			for (const what of ["run", "devices", "models", "storage"] as const) this.#tell({ type: "changed", what });
			this.#set(true);
		};
		source.onmessage = ({ data }) => this.#tell(JSON.parse(data) as ConsoleEvent);
		source.onerror = () => {
			this.#set(false);
			if (source.readyState === EventSource.CLOSED) this.#onClosed();
		};
	}

	close(): void {
		this.#source?.close();
	}

	/** @returns what ends it */
	listen(listener: Listener): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** @returns what ends it */
	watch(state: (connected: boolean) => void): () => void {
		this.#states.add(state);
		return () => this.#states.delete(state);
	}

	#set(connected: boolean): void {
		this.#connected = connected;
		for (const state of this.#states) state(connected);
	}

	#tell(event: ConsoleEvent): void {
		for (const listener of this.#listeners) listener(event);
	}
}

export const Feed = createContext(new LiveFeed(() => undefined));

/** Calls `listener` with every event while the part is shown. */
export function useEvents(listener: Listener): void {
	const feed = useContext(Feed);
	useEffect(() => feed.listen(listener), [feed]);
}

/** Whether events come at the moment. */
export function useConnected(): boolean {
	const feed = useContext(Feed);
	const [connected, set] = useState(feed.connected);
	useEffect(() => feed.watch(set), [feed]);
	return connected;
}
