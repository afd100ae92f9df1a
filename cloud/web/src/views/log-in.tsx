import { useState } from "preact/hooks";
import { act, type Identity, Refused } from "../api.js";
import { Failure } from "../parts/failure.js";
import { Field } from "../parts/field.js";

/** Name and password. */
export function LogIn({ usersExist, onIn }: { usersExist: boolean; onIn: (user: Identity) => void }) {
	const [failure, setFailure] = useState<Refused>();
	const [busy, setBusy] = useState(false);
	const submit = async (event: SubmitEvent) => {
		event.preventDefault();
		const form = new FormData(event.currentTarget as HTMLFormElement);
		setBusy(true);
		try {
			onIn(await act<Identity>("POST", "/session", { name: form.get("name"), password: form.get("password") }));
		} catch (error) {
			if (error instanceof Refused) setFailure(error);
		} finally {
			setBusy(false);
		}
	};
	return (
		<main class="gate">
			<form class="card" onSubmit={submit} aria-labelledby="log-in">
				<img src="/icon.svg" alt="" width="48" height="48" />
				<h1 id="log-in">Log in to psgl operations</h1>
				{!usersExist && (
					<p class="note">
						Nobody has a password yet. <code>psgl cloud</code> printed a link where it was started; open it to set the
						first one.
					</p>
				)}
				<Field label="Name" name="name" autocomplete="username" autocapitalize="none" required />
				<Field label="Password" name="password" type="password" autocomplete="current-password" required />
				<Failure of={failure} />
				<button type="submit" class="solid" disabled={busy}>
					Log in
				</button>
			</form>
		</main>
	);
}
