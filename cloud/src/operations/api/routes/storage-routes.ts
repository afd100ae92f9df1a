import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { checkpointFiles } from "../../../aggregator/file-checkpoints.js";
import { cloudLimits as limits } from "../../../limits.js";
import { trailFiles } from "../../../trail/audit-trail.js";
import { readEnd } from "../../board/round-file.js";
import { type ApiContext, running } from "../api-context.js";
import { notNow } from "../api-error.js";
import { type Route, route } from "../route.js";

const count = z.int().min(0);

const checkpoint = z.strictObject({ file: z.string(), bytes: count, at: z.iso.datetime() });

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
			answer: z.strictObject({
				log: z.strictObject({
					durable: z.boolean().describe("whether entries outlive the process"),
					start: count.describe("first position that is kept"),
					openedAt: count.describe("where this process went on"),
					end: count.describe("position the next entry will have"),
				}),
				checkpoints: z.array(checkpoint).describe("newest first"),
			}),
			run: async () => {
				const { broker, checkpointFile } = running(context);
				const { durable, start, openedAt, end } = broker.log;
				const files = checkpointFile === undefined ? [] : checkpointFiles(checkpointFile);
				const found = await Promise.all(files.map(factsOf));
				return { log: { durable, start, openedAt, end }, checkpoints: found.flat() };
			},
		}),
		route({
			method: "POST",
			path: "/storage/checkpoints",
			id: "writeCheckpoint",
			summary: "Write the state after the last finished round now",
			access: "operator",
			answer: z.strictObject({ round: count }),
			run: async ({ user }) => {
				const { aggregator, checkpointFile } = running(context);
				if (checkpointFile === undefined) throw notNow("nothing is trained here", "There is no state to write");
				const { round } = aggregator;
				await aggregator.checkpoint(checkpointFile);
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

/** None where there is no such file. */
async function factsOf(file: string): Promise<readonly z.infer<typeof checkpoint>[]> {
	const facts = await stat(file).catch(() => undefined);
	return facts === undefined ? [] : [{ file: basename(file), bytes: facts.size, at: facts.mtime.toISOString() }];
}
