import { useEffect, useRef, useState } from "preact/hooks";
import type { StepFigures } from "../../src/operations/board/run-board.js";
import { useEvents } from "./live-feed.js";

/** Milliseconds in which steps are taken together: there may be hundreds in a second. */
const gatherMs = 200;

/** Steps since the part is shown, the last `most` of them. */
export function useSteps(most: number): readonly StepFigures[] {
	const [steps, setSteps] = useState<readonly StepFigures[]>([]);
	const waiting = useRef<StepFigures[]>([]);
	const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
	useEvents((event) => {
		if (event.type !== "step") return;
		waiting.current.push(event.step);
		timer.current ??= setTimeout(() => {
			const gathered = waiting.current.splice(0);
			timer.current = undefined;
			setSteps((known) => [...known, ...gathered].slice(-most));
		}, gatherMs);
	});
	useEffect(() => () => clearTimeout(timer.current), []);
	return steps;
}
