import type { Role } from "../../operations/access/user.js";
import { UserFolder } from "../../operations/access/user-folder.js";
import { welcomeLink } from "../../operations/operations-page.js";
import type { VerbContext } from "../verb.js";

interface InviteValues {
	readonly state: string;
	readonly name: string;
	readonly role: Role;
	readonly url?: string | undefined;
}

/** A one-time link for a name and a role. */
export async function runUsersInvite(options: InviteValues, { output }: VerbContext): Promise<number> {
	const { name, role, url } = options;
	const users = await UserFolder.open(options.state);
	const { token, expires } = await users.invite(role, name);
	const link = welcomeLink(url?.replace(/\/+$/, "") ?? "", token);
	const where = url === undefined ? "after the address of the operations page" : "in a browser";
	output.print(`${link}\nFor ${name} as ${role}, once, until ${expires}; to be opened ${where}.`);
	output.result({ name, role, link, expires });
	return 0;
}

/** Names and roles. */
export async function runUsersList({ state }: { readonly state: string }, { output }: VerbContext): Promise<number> {
	const users = await (await UserFolder.open(state)).list();
	output.table(
		[{ title: "name" }, { title: "role" }, { title: "password set" }],
		users.map(({ name, role, changedAt }) => [name, role, changedAt]),
	);
	output.result({ users: users.map(({ name, role, changedAt }) => ({ name, role, changedAt })) });
	return 0;
}

/** Removes one. */
export async function runUsersRemove(
	{ state, name }: { readonly state: string; readonly name: string },
	{ output }: VerbContext,
): Promise<number> {
	await (await UserFolder.open(state)).remove(name);
	output.print(`${name} may log in no more.`);
	output.result({ name });
	return 0;
}
