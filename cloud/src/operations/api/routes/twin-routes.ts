import { deviceIdPattern } from "@psgl/sdk/protocol";
import { z } from "zod";
import { type ApiContext, running } from "../api-context.js";
import { notFound } from "../api-error.js";
import { type Route, route } from "../route.js";

const settings = z.record(z.string(), z.unknown()).describe("settings of docs/device.md by name");
const version = z.int().min(0);

const desired = z.strictObject({ version: version.describe("counted from 1 for each device"), settings });

const reported = z.strictObject({
	version: version.describe("of what was wanted that was applied last; 0 before the first"),
	settings: settings.describe("in force"),
	errors: z.record(z.string(), z.string()).describe("why settings that were wanted are not, by name"),
});

/** Digital twins: what is wanted of a device, and what is in force on it. */
export function twinRoutes(context: ApiContext): readonly Route[] {
	const { trail, onTwin } = context;
	const twins = () => running(context).twins;
	return [
		route({
			method: "GET",
			path: "/devices/{id}/twin",
			id: "getTwin",
			summary: "What is wanted of a device, and what it told is in force; null where there is none",
			access: "viewer",
			answer: z.strictObject({ desired: desired.nullable(), reported: reported.nullable() }),
			run: async ({ params }) => {
				if (!deviceIdPattern.test(`${params.id}`))
					throw notFound("there is no such device", `${params.id}`.slice(0, 64));
				const twin = await twins().get(`${params.id}`);
				const { version = 0, settings = {}, errors = {} } = twin.reported ?? {};
				return {
					desired: twin.desired === undefined ? null : { ...twin.desired, settings: { ...twin.desired.settings } },
					reported: twin.reported === undefined ? null : { version, settings: { ...settings }, errors: { ...errors } },
				};
			},
		}),
		route({
			method: "POST",
			path: "/devices/{id}/twin",
			id: "setTwin",
			summary:
				"Want these settings of a device in place of all before; it applies them between two batches, or when it comes back",
			access: "operator",
			body: z.strictObject({ settings }),
			answer: desired,
			run: async ({ params, body, user }) => {
				const wanted = await twins().set(`${params.id}`, body.settings);
				trail.append("twin-set", { by: user?.name, device: params.id, version: wanted.version });
				onTwin();
				return { version: wanted.version, settings: { ...wanted.settings } };
			},
		}),
	];
}
