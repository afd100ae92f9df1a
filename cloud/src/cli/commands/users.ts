import { z } from "zod";
import { roles, userName } from "../../operations/access/user.js";
import { option } from "../options/option.js";
import { defineVerb, type Verb } from "../verb.js";

const state = option("DIR", "state folder of psgl cloud", z.string().default("psgl-state"));
const name = option("NAME", "name of the user", userName);

const inviteVerb = defineVerb({
	name: "users invite",
	summary: "make a one-time link that sets a user's password",
	description:
		"Makes a link to the operations page by which one person sets a password, once, within a day: for a new user, or for one who lost theirs. The cloud may run meanwhile.",
	options: {
		state,
		name,
		role: option("ROLE", "viewer looks; operator also acts", z.enum(roles).default("viewer")),
		url: option("URL", "address of the operations page, as psgl cloud prints it", z.url().optional()),
	},
	examples: [
		{
			command: "psgl users invite --name ann --role operator --url https://cloud.example:8443",
			does: "a link for ann",
		},
	],
	run: async (options, context) => (await import("./run-users.js")).runUsersInvite(options, context),
});

const listVerb = defineVerb({
	name: "users list",
	summary: "everybody who may log in to the operations page",
	description: "Lists names and roles.",
	options: { state },
	examples: [{ command: "psgl users list", does: "everybody" }],
	run: async (options, context) => (await import("./run-users.js")).runUsersList(options, context),
});

const removeVerb = defineVerb({
	name: "users remove",
	summary: "let somebody in no more",
	description: "Removes a user of the operations page; their sessions end with the next request.",
	options: { state, name },
	examples: [{ command: "psgl users remove --name ann", does: "ann stays out" }],
	run: async (options, context) => (await import("./run-users.js")).runUsersRemove(options, context),
});

/** `psgl users …`: who may log in to the operations page. */
export const usersVerbs: readonly Verb[] = [inviteVerb, listVerb, removeVerb];
