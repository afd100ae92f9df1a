import { z } from "zod";
import { deviceFigures } from "../../board/device-board.js";
import { type ApiContext, running } from "../api-context.js";
import { notFound } from "../api-error.js";
import { type Route, route } from "../route.js";

/** Devices the aggregator knows. */
export function deviceRoutes(context: ApiContext): readonly Route[] {
	const list = () => running(context).devices();
	return [
		route({
			method: "GET",
			path: "/devices",
			id: "listDevices",
			summary: "Every device, by id",
			access: "viewer",
			answer: z.strictObject({ devices: z.array(deviceFigures) }),
			run: () => ({ devices: [...list()] }),
		}),
		route({
			method: "GET",
			path: "/devices/{id}",
			id: "getDevice",
			summary: "One device",
			access: "viewer",
			answer: deviceFigures,
			run: ({ params }) => {
				const device = list().find(({ id }) => id === params.id);
				if (device === undefined) throw notFound("there is no such device", `${params.id}`.slice(0, 64));
				return device;
			},
		}),
	];
}
