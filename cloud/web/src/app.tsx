import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { type Answers, ask, type Identity } from "./api.js";
import { Feed, LiveFeed } from "./live-feed.js";
import { Shell } from "./shell.js";
import { useHash } from "./use-hash.js";
import { LogIn } from "./views/log-in.js";
import { Welcome } from "./views/welcome.js";

/** Log-in first, then the page. */
export function App() {
	const [session, setSession] = useState<Answers["/session"]>();
	const [unreachable, setUnreachable] = useState(false);
	const hash = useHash();
	const look = useCallback(async () => {
		try {
			setSession(await ask("/session"));
			setUnreachable(false);
		} catch {
			setUnreachable(true);
		}
	}, []);
	useEffect(() => void look(), [look]);
	const enter = (user: Identity) => {
		if (hash.startsWith("/welcome/")) location.replace("#/run");
		setSession({ user, usersExist: true });
	};
	const [, page, token] = hash.split("/");
	if (unreachable && session === undefined) {
		return (
			<main class="gate">
				<p role="alert">The cloud cannot be reached.</p>
				<button type="button" onClick={look}>
					Try again
				</button>
			</main>
		);
	}
	if (session === undefined) return <main class="gate" aria-busy="true" />;
	if (page === "welcome" && token !== undefined && token !== "") return <Welcome token={token} onIn={enter} />;
	if (session.user === null) return <LogIn usersExist={session.usersExist} onIn={enter} />;
	return <Inside user={session.user} hash={hash} onOut={look} />;
}

function Inside({ user, hash, onOut }: { user: Identity; hash: string; onOut: () => void }) {
	const feed = useMemo(() => new LiveFeed(onOut), [onOut]);
	useEffect(() => {
		feed.open();
		return () => feed.close();
	}, [feed]);
	return (
		<Feed.Provider value={feed}>
			<Shell user={user} hash={hash} onOut={onOut} />
		</Feed.Provider>
	);
}
