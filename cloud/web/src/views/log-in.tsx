import { act, type Identity } from "../api.js";
import { Field } from "../parts/field.js";
import { Gate } from "../parts/gate.js";

/** Name and password. */
export function LogIn({ usersExist, onIn }: { usersExist: boolean; onIn: (user: Identity) => void }) {
	const send = async (form: FormData) => {
		onIn(await act<Identity>("POST", "/session", { name: form.get("name"), password: form.get("password") }));
	};
	return (
		<Gate id="log-in" title="Log in to psgl operations" action="Log in" send={send}>
			{!usersExist && (
				<p class="note">
					Nobody has a password yet. <code>psgl cloud</code> printed a link where it was started; open it to set the
					first one.
				</p>
			)}
			<Field label="Name" name="name" autocomplete="username" autocapitalize="none" required />
			<Field label="Password" name="password" type="password" autocomplete="current-password" required />
		</Gate>
	);
}
