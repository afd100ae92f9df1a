import { z } from "zod";
import { cloudLimits as limits } from "../../../limits.js";
import { trailFiles } from "../../../trail/audit-trail.js";
import { readEnd } from "../../board/round-file.js";
import { storageFigures } from "../../board/storage-figures.js";
import { type ApiContext, running } from "../api-context.js";
import { type Route, route } from "../route.js";

const count = z.int().min(0);

const trailEntry = z
	.looseObject({ seq: count, at: z.iso.datetime(), event: z.string() })
	.describe("number, time and event, then what there is to tell of it");

/** Log, checkpoints and the audit trail. */
export function storageRoutes(context: ApiContext): readonly Route[] {
	const { trail, stateFolder } = context;
	return [
		route({
			method: "GET",
			path: "/storage",
			id: "getStorage",
			summary: "State of the log and the checkpoints",
			access: "viewer",
			answer: storageFigures,
			run: () => running(context).storage(),
		}),
		route({
			method: "POST",
			path: "/storage/checkpoints",
			id: "writeCheckpoint",
			summary: "Write the state after the last finished round now",
			access: "operator",
			answer: z.strictObject({ round: count }),
			run: async ({ user }) => {
				const round = await running(context).checkpoint();
				trail.append("checkpoint-asked", { by: user?.name, round });
				return { round };
			},
		}),
		route({
			method: "GET",
			path: "/trail",
			id: "listTrail",
			summary: "The last entries of the audit trail, newest first",
			access: "viewer",
			query: z.object({ last: z.coerce.number().int().min(1).max(limits.trailEntriesShown).default(50) }),
			answer: z.strictObject({ entries: z.array(trailEntry) }),
			run: async ({ query }) => {
				await trail.flushed();
				const text = await readEnd(trailFiles(stateFolder).trail, limits.trailEntriesShown * 1024);
				const lines = text.split("\n").filter((line) => line !== "");
				const entries = lines.slice(-query.last).map((line) => {
					const { previous: _, ...entry } = JSON.parse(line) as z.infer<typeof trailEntry>;
					return entry;
				});
				return { entries: entries.reverse() };
			},
		}),
	];
}
