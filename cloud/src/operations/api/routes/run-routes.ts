import { z } from "zod";
import { roundFigures, runState, stepFigures } from "../../board/run-board.js";
import { partitionFigures } from "../../board/storage-figures.js";
import { type ApiContext, running } from "../api-context.js";
import { notNow } from "../api-error.js";
import { type Route, route } from "../route.js";

const count = z.int().min(0);

/** The training run of this cloud. */
export function runRoutes(context: ApiContext): readonly Route[] {
	const { model, trail, version } = context;
	return [
		route({
			method: "GET",
			path: "/run",
			id: "getRun",
			summary: "How far training is",
			access: "viewer",
			answer: z.strictObject({
				program: z.string(),
				model: z.string(),
				state: runState,
				endReason: z.string().nullable(),
				round: count.describe("rounds finished"),
				roundsPlanned: count,
				weights: count.describe("version of the weights decisions are made with"),
				devicesOnline: count,
				bytesUp: count.describe("payload bytes from devices since the cloud started"),
				bytesDown: count,
				devicesNeeded: count.describe("devices that have to be there; 0 while nothing waits for them"),
				streams: z.array(z.string()),
				settings: z.record(z.string(), z.unknown()).describe("of training"),
				partitions: z.array(partitionFigures).describe("none where the run is one process"),
			}),
			run: () => {
				const cloud = running(context);
				const { devicesNeeded, endReason = null, state, roundsPlanned } = context.run();
				const { round, model: weights, settings, partitions } = cloud;
				const devices = cloud.devices();
				const devicesOnline = devices.filter(({ state: now }) => now === "online").length;
				const sum = (of: "bytesUp" | "bytesDown") => devices.reduce((total, device) => total + device[of], 0);
				return {
					program: version,
					model: model.name,
					state,
					endReason,
					round,
					roundsPlanned: Math.max(roundsPlanned, Number(settings.rounds ?? 0)),
					weights,
					devicesOnline,
					devicesNeeded,
					bytesUp: sum("bytesUp"),
					bytesDown: sum("bytesDown"),
					streams: model.streams,
					settings: { ...settings },
					partitions: [...partitions],
				};
			},
		}),
		route({
			method: "GET",
			path: "/run/rounds",
			id: "listRounds",
			summary: "Finished rounds: loss and accuracy by stream",
			access: "viewer",
			query: z.object({
				after: z.coerce.number().int().min(0).default(0).describe("rounds up to this one are left out"),
			}),
			answer: z.strictObject({ rounds: z.array(roundFigures) }),
			run: ({ query }) => ({ rounds: context.run().rounds.filter(({ round }) => round > query.after) }),
		}),
		route({
			method: "GET",
			path: "/run/steps",
			id: "listSteps",
			summary: "The last optimiser steps of the server segment",
			access: "viewer",
			answer: z.strictObject({ steps: z.array(stepFigures) }),
			run: () => ({ steps: [...context.run().steps] }),
		}),
		route({
			method: "POST",
			path: "/run/stop",
			id: "stopRun",
			summary: "End training after the step under way; the best weights so far are kept",
			access: "operator",
			answer: z.strictObject({}),
			run: async ({ user }) => {
				const cloud = running(context);
				if (context.run().state === "serving") throw notNow("training is over", "Nothing is left to end");
				trail.append("training-stopped", { by: user?.name, round: cloud.round });
				await cloud.stop();
				return {};
			},
		}),
	];
}
