import { z } from "zod";
import type { RolloutDesk, RolloutStatus } from "../../../rollout/rollout.js";
import { rolloutLimits } from "../../../rollout/rollout-limits.js";
import type { User } from "../../access/user.js";
import { type ApiContext, running } from "../api-context.js";
import { notNow } from "../api-error.js";
import { type Route, route } from "../route.js";

const count = z.int().min(0);

const percentage = z.int().min(0).max(100).describe("of the devices that get the candidate");

const status = z.strictObject({
	phase: z
		.enum(["none", "running", "halted", "rolled-back"])
		.describe("halted: those that have the candidate keep it, no further device gets it"),
	stable: z.string().describe("SHA-256 of the client half that everybody else gets"),
	candidate: z.string().nullable(),
	percentage,
	reason: z.string().nullable().describe("why it was rolled back"),
	automatic: z.boolean().describe("whether psgl rolled it back by itself"),
	devices: z
		.strictObject({ offered: count, trial: count, confirmed: count, failed: count })
		.describe("by what became of the candidate on them"),
	failed: z.array(z.string()).describe("devices on which it failed"),
});

/** A staged roll-out: how it stands, and what an operator may have done with it. */
export function rolloutRoutes(context: ApiContext): readonly Route[] {
	const rollout = (): RolloutDesk => {
		const { rollout: found } = running(context);
		if (found !== undefined) return found;
		throw notNow("models are rolled out by a cloud that serves and does not train", "Start it with --rounds 0");
	};
	const ordered = (user: User | undefined, order: string, found: RolloutStatus) => {
		context.trail.append("rollout-ordered", { by: user?.name, order, percentage: found.percentage });
		return shown(found);
	};
	return [
		route({
			method: "GET",
			path: "/rollout",
			id: "getRollout",
			summary: "How a staged roll-out stands; null where the cloud trains and rolls nothing out",
			access: "viewer",
			answer: z.strictObject({ rollout: status.nullable() }),
			run: () => {
				const { rollout: found } = running(context);
				return { rollout: found === undefined ? null : shown(found.status()) };
			},
		}),
		route({
			method: "GET",
			path: "/rollout/candidates",
			id: "listCandidates",
			summary: "Models in the folder candidates of the state folder, which may be rolled out",
			access: "viewer",
			answer: z.strictObject({
				candidates: z.array(z.strictObject({ file: z.string(), bytes: count, at: z.iso.datetime() })),
			}),
			run: async () => ({ candidates: [...(await context.candidates.list())] }),
		}),
		route({
			method: "POST",
			path: "/rollout/start",
			id: "startRollout",
			summary: "Give a candidate to so many per cent of the devices",
			access: "operator",
			body: z.strictObject({ candidate: z.string().min(1).max(255), percentage }),
			answer: status,
			run: async ({ user, body }) => {
				const found = rollout();
				const bytes = await context.candidates.read(body.candidate);
				return ordered(user, "start", await found.start(bytes, body.percentage));
			},
		}),
		route({
			method: "POST",
			path: "/rollout/percentage",
			id: "setRolloutPercentage",
			summary: "Give the candidate to so many per cent of the devices; goes on with one that was halted",
			access: "operator",
			body: z.strictObject({ percentage }),
			answer: status,
			run: async ({ user, body }) => ordered(user, "percentage", await rollout().setPercentage(body.percentage)),
		}),
		route({
			method: "POST",
			path: "/rollout/halt",
			id: "haltRollout",
			summary: "Give the candidate to no further device",
			access: "operator",
			answer: status,
			run: async ({ user }) => ordered(user, "halt", await rollout().halt()),
		}),
		route({
			method: "POST",
			path: "/rollout/rollback",
			id: "rollBack",
			summary: "Give every device the stable model back",
			access: "operator",
			body: z.strictObject({ reason: z.string().min(1).max(rolloutLimits.maxReasonLength) }),
			answer: status,
			run: async ({ user, body }) => ordered(user, "rollback", await rollout().rollback(body.reason)),
		}),
	];
}

function shown({ candidate = "", reason = "", devices, failed, ...rest }: RolloutStatus): z.infer<typeof status> {
	return {
		...rest,
		candidate: candidate || null,
		reason: reason || null,
		devices: { ...devices },
		failed: [...failed],
	};
}
