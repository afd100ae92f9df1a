import { z } from "zod";
import { auditFigures, auditPictures } from "../../board/audit-files.js";
import type { ApiContext } from "../api-context.js";
import { notFound } from "../api-error.js";
import { type Route, route } from "../route.js";

/** What leaks: the latest audit. What devices have released is with the devices. */
export function privacyRoutes({ audit }: ApiContext): readonly Route[] {
	const none = () => notFound("there is no audit in the state folder", "no audit.json");
	return [
		route({
			method: "GET",
			path: "/privacy/audit",
			id: "getAudit",
			summary: "The latest audit: psgl audit MODEL --data SET -o STATE/audit.html",
			access: "viewer",
			answer: z.object({ at: z.iso.datetime(), audit: auditFigures }),
			run: async () => {
				const found = await audit.figures();
				if (found === undefined) throw none();
				return { at: found.at, audit: found.content };
			},
		}),
		route({
			method: "GET",
			path: "/privacy/pictures",
			id: "getAuditPictures",
			summary: "The audit's pictures: what was, what leaves, what comes back",
			access: "viewer",
			answer: z.object({ at: z.iso.datetime(), pictures: auditPictures }),
			run: async () => {
				const found = await audit.pictures();
				if (found === undefined) throw none();
				return { at: found.at, pictures: found.content };
			},
		}),
	];
}
