import { z } from "zod";
import { modelFacts } from "../../board/model-facts.js";
import { type ApiContext, running } from "../api-context.js";
import { type Route, route } from "../route.js";

const count = z.int().min(0);

/** Models: what they are, who signed them, who has them. */
export function modelRoutes(context: ApiContext): readonly Route[] {
	return [
		route({
			method: "GET",
			path: "/models",
			id: "getModels",
			summary: "The model in use, its signatures, and what became of it on devices",
			access: "viewer",
			answer: z.strictObject({
				current: modelFacts,
				weights: count.describe("version of the weights decisions are made with"),
				onDevices: z
					.array(z.strictObject({ digest: z.string(), state: z.string(), devices: count }))
					.describe("devices by the client half they were sent or told of, and what became of it"),
			}),
			run: () => {
				const cloud = running(context);
				const counts = new Map<string, { digest: string; state: string; devices: number }>();
				for (const { model } of cloud.devices()) {
					if (model === null) continue;
					const key = `${model.digest} ${model.state}`;
					const group = counts.get(key) ?? { ...model, devices: 0 };
					group.devices++;
					counts.set(key, group);
				}
				return { current: context.model, weights: cloud.model, onDevices: [...counts.values()] };
			},
		}),
	];
}
