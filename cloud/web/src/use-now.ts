import { useEffect, useState } from "preact/hooks";

/** Milliseconds since the Unix epoch, anew every few seconds: for what says how long ago something was. */
export function useNow(): number {
	const [now, set] = useState(Date.now());
	useEffect(() => {
		const timer = setInterval(() => set(Date.now()), 5000);
		return () => clearInterval(timer);
	}, []);
	return now;
}
