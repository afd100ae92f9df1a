import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { act, type Identity } from "./api.js";
import { useConnected } from "./live-feed.js";
import { Icon, type IconName } from "./parts/icon.js";
import { applyTheme, keptTheme, type Theme, themes } from "./theme.js";
import { Devices } from "./views/devices.js";
import { Models } from "./views/models.js";
import { Privacy } from "./views/privacy.js";
import { Run } from "./views/run.js";
import { Storage } from "./views/storage.js";
import { Users } from "./views/users.js";

/** What every view gets. */
export interface ViewProps {
	readonly user: Identity;
}

interface View {
	readonly path: string;
	readonly title: string;
	readonly icon: IconName;
	readonly view: ComponentType<ViewProps>;
	readonly operatorsOnly?: true;
}

const views: readonly View[] = [
	{ path: "/run", title: "Run", icon: "run", view: Run },
	{ path: "/devices", title: "Devices", icon: "devices", view: Devices },
	{ path: "/models", title: "Models", icon: "models", view: Models },
	{ path: "/privacy", title: "Privacy", icon: "privacy", view: Privacy },
	{ path: "/storage", title: "Log & checkpoints", icon: "storage", view: Storage },
	{ path: "/users", title: "Users", icon: "users", view: Users, operatorsOnly: true },
];

/** Navigation around the view that the address names. */
export function Shell({ user, hash, onOut }: { user: Identity; hash: string; onOut: () => void }) {
	const open = views.filter(({ operatorsOnly }) => operatorsOnly !== true || user.role === "operator");
	const shown = open.find(({ path }) => path === hash) ?? (open[0] as View);
	const heading = useRef<HTMLHeadingElement>(null);
	const first = useRef(true);
	useEffect(() => {
		document.title = `${shown.title} – psgl operations`;
		// A screen reader goes on at the new view's heading.
		if (!first.current) heading.current?.focus();
		first.current = false;
	}, [shown]);
	const logOut = async () => {
		await act("DELETE", "/session").catch(() => undefined);
		onOut();
	};
	return (
		<div class="shell">
			<button type="button" class="skip" onClick={() => heading.current?.focus()}>
				Skip to content
			</button>
			<header class="top">
				<span class="brand">
					<img src="/icon.svg" alt="" width="28" height="28" />
					<span>
						<b>psgl</b> operations
					</span>
				</span>
				<Link />
				<span class="who">
					{user.name} <span class="muted">{user.role}</span>
				</span>
				<ThemeChoice />
				<button type="button" class="quiet" onClick={logOut}>
					Log out
				</button>
			</header>
			<nav class="side" aria-label="Views">
				<ul>
					{open.map(({ path, title, icon }) => (
						<li key={path}>
							<a href={`#${path}`} aria-current={path === shown.path ? "page" : undefined}>
								<Icon name={icon} />
								<span>{title}</span>
							</a>
						</li>
					))}
				</ul>
			</nav>
			<main id="main">
				<h1 ref={heading} tabIndex={-1}>
					{shown.title}
				</h1>
				<shown.view key={shown.path} user={user} />
			</main>
		</div>
	);
}

function Link() {
	const connected = useConnected();
	return (
		<span class={`link ${connected ? "good" : "bad"}`} role="status">
			<span class="dot" aria-hidden="true" />
			{connected ? "Live" : "Link lost"}
		</span>
	);
}

function ThemeChoice() {
	const [theme, setTheme] = useState(keptTheme());
	const choose = (next: Theme) => {
		applyTheme(next);
		setTheme(next);
	};
	return (
		<label class="theme">
			<span class="hidden">Colours</span>
			<select value={theme} onChange={({ currentTarget }) => choose(currentTarget.value as Theme)}>
				{themes.map((name) => (
					<option key={name} value={name}>
						{{ system: "As the system", light: "Light", dark: "Dark" }[name]}
					</option>
				))}
			</select>
		</label>
	);
}
