import { useEffect, useState } from "preact/hooks";

/** What stands after the # of the address, `/run` for instance. */
export function useHash(): string {
	const [hash, set] = useState(location.hash.slice(1));
	useEffect(() => {
		const changed = () => set(location.hash.slice(1));
		addEventListener("hashchange", changed);
		return () => removeEventListener("hashchange", changed);
	}, []);
	return hash;
}
