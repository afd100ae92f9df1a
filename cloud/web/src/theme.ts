/** What somebody chose: as the system has it, or one of the two. */
export const themes = ["system", "light", "dark"] as const;

export type Theme = (typeof themes)[number];

const key = "psgl-theme";

/** The choice that was kept; the system's where there is none. */
export function keptTheme(): Theme {
	const kept = localStorage.getItem(key);
	return themes.find((theme) => theme === kept) ?? "system";
}

/** Shows the page so, and keeps the choice. */
export function applyTheme(theme: Theme): void {
	localStorage.setItem(key, theme);
	if (theme === "system") delete document.documentElement.dataset.theme;
	else document.documentElement.dataset.theme = theme;
}
