import { useEffect, useState } from "preact/hooks";

/** Width of an element in CSS pixels, as it changes; `ref` goes on the element. */
export function useWidth(preset: number) {
	const [element, ref] = useState<HTMLElement | null>(null);
	const [width, set] = useState(preset);
	useEffect(() => {
		if (element === null) return;
		const observer = new ResizeObserver(([entry]) => set(entry?.contentRect.width ?? preset));
		observer.observe(element);
		return () => observer.disconnect();
	}, [element, preset]);
	return { ref, width } as const;
}
