import { z } from "zod";
import { cloudLimits as limits } from "../../../limits.js";
import { role, type User, userName } from "../../access/user.js";
import type { ApiContext } from "../api-context.js";
import { type Route, route } from "../route.js";

const token = z.string().min(16).max(128);
const password = z.string().min(1).max(limits.passwordLongest);
const identity = z.strictObject({ name: userName, role });
const identityOf = ({ name, role }: User) => ({ name, role });

/** Logging in and out, and links that set a password. */
export function sessionRoutes({ logIn, sessions, users }: ApiContext): readonly Route[] {
	return [
		route({
			method: "GET",
			path: "/session",
			id: "getSession",
			summary: "Who is logged in, and whether anybody has a password yet",
			access: "everyone",
			answer: z.strictObject({ user: identity.nullable(), usersExist: z.boolean() }),
			run: async ({ user }) => ({
				user: user === undefined ? null : identityOf(user),
				usersExist: (await users.list()).length > 0,
			}),
		}),
		route({
			method: "POST",
			path: "/session",
			id: "logIn",
			summary: "Log in by name and password",
			access: "everyone",
			body: z.strictObject({ name: z.string().min(1).max(64), password }),
			answer: identity,
			run: async ({ body, peer, setToken }) => {
				const opened = await logIn.byPassword(body.name, body.password, peer);
				setToken(opened.token);
				return identityOf(opened.user);
			},
		}),
		route({
			method: "DELETE",
			path: "/session",
			id: "logOut",
			summary: "Log out",
			access: "everyone",
			answer: z.strictObject({}),
			run: ({ token, setToken }) => {
				if (token !== undefined) sessions.close(token);
				setToken(undefined);
				return {};
			},
		}),
		route({
			method: "POST",
			path: "/invitation",
			id: "lookAtInvitation",
			summary: "What a one-time link is for",
			access: "everyone",
			body: z.strictObject({ token }),
			answer: z.strictObject({
				name: userName.nullable().describe("null: whoever accepts chooses"),
				role,
				expires: z.iso.datetime(),
			}),
			run: async ({ body, peer }) => {
				const { name = null, role, expires } = await logIn.look(body.token, peer);
				return { name, role, expires };
			},
		}),
		route({
			method: "POST",
			path: "/invitation/accept",
			id: "acceptInvitation",
			summary: "Set a password by a one-time link, and log in",
			access: "everyone",
			body: z.strictObject({ token, name: userName, password }),
			answer: identity,
			run: async ({ body, peer, setToken }) => {
				const opened = await logIn.byLink(body.token, body, peer);
				setToken(opened.token);
				return identityOf(opened.user);
			},
		}),
	];
}
