import { useEffect, useRef, useState } from "preact/hooks";

/** Width of an element in CSS pixels, as it changes. */
export function useWidth<E extends HTMLElement>(preset: number) {
	const ref = useRef<E>(null);
	const [width, set] = useState(preset);
	useEffect(() => {
		const element = ref.current;
		if (element === null) return;
		const observer = new ResizeObserver(([entry]) => set(entry?.contentRect.width ?? preset));
		observer.observe(element);
		return () => observer.disconnect();
	}, [preset]);
	return { ref, width } as const;
}
