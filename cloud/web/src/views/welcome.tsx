import { useEffect, useState } from "preact/hooks";
import { act, type Identity, Refused } from "../api.js";
import { moment } from "../format.js";
import { Field } from "../parts/field.js";
import { Gate } from "../parts/gate.js";

interface Invitation {
	readonly name: string | null;
	readonly role: Identity["role"];
	readonly expires: string;
}

/** Sets a password by a one-time link. */
export function Welcome({ token, onIn }: { token: string; onIn: (user: Identity) => void }) {
	const [invitation, setInvitation] = useState<Invitation>();
	const [failure, setFailure] = useState<Refused>();
	useEffect(() => {
		act<Invitation>("POST", "/invitation", { token }).then(setInvitation, (error) => {
			if (error instanceof Refused) setFailure(error);
		});
	}, [token]);
	const send = async (form: FormData) => {
		const chosen = { token, name: form.get("name"), password: form.get("password") };
		onIn(await act<Identity>("POST", "/invitation/accept", chosen));
	};
	const action = invitation && "Set password and log in";
	return (
		<Gate id="welcome" title="Set your password" action={action} failure={failure} send={send}>
			{invitation !== undefined && (
				<>
					<p class="muted">
						You will be {invitation.role === "operator" ? "an operator" : "a viewer"}. The link works once, until{" "}
						{moment(invitation.expires)}.
					</p>
					<Field
						label="Name"
						name="name"
						autocomplete="username"
						autocapitalize="none"
						required
						pattern="[a-z0-9][a-z0-9._\-]{0,31}"
						hint="a-z, 0-9, dot, _ and -"
						{...(invitation.name !== null && { value: invitation.name, readOnly: true })}
					/>
					<Field
						label="Password"
						name="password"
						type="password"
						autocomplete="new-password"
						required
						minLength={12}
						hint="At least 12 characters. Four words that do not belong together do well."
					/>
				</>
			)}
		</Gate>
	);
}
