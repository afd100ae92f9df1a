import { z } from "zod";
import type { ApiContext } from "./api-context.js";
import { describeApi } from "./openapi.js";
import { type Route, route } from "./route.js";
import { deviceRoutes } from "./routes/device-routes.js";
import { eventRoutes } from "./routes/event-routes.js";
import { modelRoutes } from "./routes/model-routes.js";
import { privacyRoutes } from "./routes/privacy-routes.js";
import { rolloutRoutes } from "./routes/rollout-routes.js";
import { runRoutes } from "./routes/run-routes.js";
import { sessionRoutes } from "./routes/session-routes.js";
import { storageRoutes } from "./routes/storage-routes.js";
import { twinRoutes } from "./routes/twin-routes.js";
import { userRoutes } from "./routes/user-routes.js";

/** Every route, the one that describes them among them. @param cookie name of the session's cookie */
export function apiRoutes(context: ApiContext, cookie: string): readonly Route[] {
	const routes: readonly Route[] = [
		...sessionRoutes(context),
		...userRoutes(context),
		...runRoutes(context),
		...deviceRoutes(context),
		...twinRoutes(context),
		...modelRoutes(context),
		...rolloutRoutes(context),
		...privacyRoutes(context),
		...storageRoutes(context),
		...eventRoutes(context),
		route({
			method: "GET",
			path: "/openapi.json",
			id: "describe",
			summary: "This description",
			access: "everyone",
			answer: z.looseObject({ openapi: z.literal("3.1.0") }),
			run: () => ({ openapi: "3.1.0" as const, ...description }),
		}),
	];
	const description = describeApi(routes, context.version, cookie);
	return routes;
}
