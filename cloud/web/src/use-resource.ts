import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Answers, ask, Refused } from "./api.js";
import { useEvents } from "./live-feed.js";

/** Milliseconds in which changes are taken together. */
const gatherMs = 300;

/** An answer of the API, as far as it is there. */
export interface Resource<T> {
	readonly value: T | undefined;
	readonly failure: Refused | undefined;
	readonly reload: () => void;
}

/**
 * Asks for a part of the API, and again whenever events say it changed. The last answer stays while the next is on its way.
 * @param changes names of the changes it depends on
 */
export function useResource<P extends keyof Answers>(path: P, changes: readonly string[] = []): Resource<Answers[P]> {
	const [value, setValue] = useState<Answers[P]>();
	const [failure, setFailure] = useState<Refused>();
	const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
	const load = useCallback(async () => {
		try {
			setValue(await ask(path));
			setFailure(undefined);
		} catch (error) {
			// An unreachable cloud shows as a lost link, with the last answers kept.
			if (error instanceof Refused) setFailure(error);
		}
	}, [path]);
	useEffect(() => {
		void load();
		return () => {
			clearTimeout(timer.current);
			timer.current = undefined;
		};
	}, [load]);
	useEvents((event) => {
		// One that is due already takes this change along; put off by every change, it would never come in a fast run.
		if (event.type !== "changed" || !changes.includes(event.what) || timer.current !== undefined) return;
		timer.current = setTimeout(() => {
			timer.current = undefined;
			void load();
		}, gatherMs);
	});
	return { value, failure, reload: load };
}
