import { z } from "zod";
import { role, userName } from "../../access/user.js";
import type { ApiContext } from "../api-context.js";
import { ApiError, notFound } from "../api-error.js";
import { type Route, route } from "../route.js";

/** Who may log in. */
export function userRoutes({ users, trail }: ApiContext): readonly Route[] {
	return [
		route({
			method: "GET",
			path: "/users",
			id: "listUsers",
			summary: "Everybody who may log in",
			access: "operator",
			answer: z.strictObject({ users: z.array(z.strictObject({ name: userName, role, changedAt: z.iso.datetime() })) }),
			run: async () => ({
				users: (await users.list()).map(({ name, role, changedAt }) => ({ name, role, changedAt })),
			}),
		}),
		route({
			method: "POST",
			path: "/users/invitations",
			id: "inviteUser",
			summary: "Make a one-time link by which a new user, or one who lost the password, sets one",
			access: "operator",
			body: z.strictObject({ name: userName, role }),
			answer: z.strictObject({ token: z.string().describe("/#/welcome/TOKEN is the link"), expires: z.iso.datetime() }),
			run: async ({ body, user }) => {
				const invitation = await users.invite(body.role, body.name);
				trail.append("user-invited", { by: user?.name, user: body.name, role: body.role });
				return invitation;
			},
		}),
		route({
			method: "DELETE",
			path: "/users/{name}",
			id: "removeUser",
			summary: "Remove a user; their sessions end",
			access: "operator",
			answer: z.strictObject({}),
			run: async ({ params, user }) => {
				const name = params.name as string;
				if ((await users.find(name)) === undefined) throw notFound("there is no such user", name.slice(0, 64));
				if (name === user?.name) {
					throw new ApiError(409, "PSGL_API_CONFLICT", {
						what: "nobody removes themselves",
						got: name,
						remedy: "Ask another operator, or use psgl users remove",
					});
				}
				await users.remove(name);
				trail.append("user-removed", { by: user?.name, user: name });
				return {};
			},
		}),
	];
}
