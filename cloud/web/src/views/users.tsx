import { useState } from "preact/hooks";
import { act, Refused } from "../api.js";
import { moment } from "../format.js";
import { Card } from "../parts/card.js";
import { ConfirmButton } from "../parts/confirm-button.js";
import { Failure } from "../parts/failure.js";
import { Field } from "../parts/field.js";
import { Pill } from "../parts/pill.js";
import { Table } from "../parts/table.js";
import type { ViewProps } from "../shell.js";
import { useResource } from "../use-resource.js";

/** Who may log in. */
export function Users({ user }: ViewProps) {
	const { value, failure, reload } = useResource("/users");
	if (value === undefined) return <Failure of={failure} />;
	const remove = async (name: string) => {
		await act("DELETE", `/users/${name}`);
		reload();
	};
	return (
		<div class="grid">
			<Card title="Users" wide>
				<Table
					label="Users"
					rows={value.users}
					keyOf={({ name }) => name}
					empty="Nobody."
					columns={[
						{ title: "Name", cell: ({ name }) => name },
						{ title: "Role", cell: ({ role }) => <Pill tone={role === "operator" ? "busy" : "plain"}>{role}</Pill> },
						{ title: "Password set", cell: ({ changedAt }) => moment(changedAt) },
						{
							title: "Remove",
							cell: ({ name }) =>
								name === user.name ? (
									<span class="muted">you</span>
								) : (
									<ConfirmButton label="Remove" title={`Remove ${name}?`} danger act={() => remove(name)}>
										Their sessions end; they can be invited again.
									</ConfirmButton>
								),
						},
					]}
				/>
			</Card>
			<Card title="Invite" wide>
				<Invite />
			</Card>
		</div>
	);
}

function Invite() {
	const [failure, setFailure] = useState<Refused>();
	const [made, setMade] = useState<{ readonly name: string; readonly link: string; readonly expires: string }>();
	const submit = async (event: SubmitEvent) => {
		event.preventDefault();
		const form = new FormData(event.currentTarget as HTMLFormElement);
		const name = String(form.get("name"));
		try {
			const body = { name, role: form.get("role") };
			const { token, expires } = await act<{ token: string; expires: string }>("POST", "/users/invitations", body);
			setMade({ name, link: `${location.origin}/#/welcome/${token}`, expires });
			setFailure(undefined);
		} catch (error) {
			if (error instanceof Refused) setFailure(error);
		}
	};
	return (
		<form class="row" onSubmit={submit}>
			<Field label="Name" name="name" required autocapitalize="none" pattern="[a-z0-9][a-z0-9._\-]{0,31}" />
			<div class="field">
				<label for="role">Role</label>
				<select id="role" name="role">
					<option value="viewer">viewer: looks</option>
					<option value="operator">operator: also acts</option>
				</select>
			</div>
			<button type="submit" class="solid">
				Make a link
			</button>
			<Failure of={failure} />
			{made !== undefined && (
				<p class="note" role="status">
					Give {made.name} this link; it sets a password, once, until {moment(made.expires)}: <code>{made.link}</code>
				</p>
			)}
		</form>
	);
}
