import { join } from "node:path";
import {
	type AggregatorSettings,
	AuditTrail,
	Operations,
	type OperationsPage,
	type ServerCertificate,
	TwinFolder,
} from "@psgl/cloud";
import type { Clock } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { ExecutionContext } from "ava";
import { ApiClient } from "./api-client.js";
import { type Cloud, startCloud } from "./cloud.js";
import { type SmallModel, smallModel } from "./small-model.js";
import { temporaryFolder } from "./temporary-folder.js";

/** A password nobody guesses. */
export const goodPassword = "horse battery staple violin";

export interface OperationsCloudOptions {
	readonly settings?: AggregatorSettings;
	readonly tls?: ServerCertificate;
	readonly clock?: Clock;
	/** Joint. Default: a small robust model. */
	readonly artifact?: Artifact;
	/** State folder. Default: a new one. */
	readonly folder?: string;
}

/** The same for every test of a file: compiling takes a second. */
let shared: Promise<SmallModel> | undefined;

/** Broker, aggregator and operations page in this process, as `psgl cloud --web-port` runs them. */
export async function operationsCloud(t: ExecutionContext, options: OperationsCloudOptions = {}) {
	const { settings = { rounds: 2, batchSize: 6, minDevices: 3, seed: 1 }, tls, clock } = options;
	const folder = options.folder ?? (await temporaryFolder(t));
	shared ??= smallModel("robust");
	const joint = options.artifact ?? (await shared).joint;
	const trail = await AuditTrail.open(folder);
	const onError = (error: unknown) => t.fail(String(error));
	const operations = await Operations.start({
		port: undefined,
		version: "1.2.3",
		page: { port: 0, tls, stateFolder: folder, artifact: joint, trail, clock, onError },
	});
	const page = operations.page as OperationsPage;
	const checkpointFile = join(folder, "training.checkpoint");
	let cloud: Cloud | undefined;
	t.teardown(async () => {
		await operations[Symbol.asyncDispose]();
		await cloud?.[Symbol.asyncDispose]();
		await trail.close();
	});
	return {
		folder,
		page,
		operations,
		trail,
		url: page.url,
		/** Starts broker and aggregator behind the page. */
		async start(): Promise<Cloud> {
			const twins = await TwinFolder.open(join(folder, "twins"));
			cloud = await startCloud(joint, settings, {
				twins,
				checkpointFile,
				rolloutFolder: join(folder, "rollout"),
				onBrokerEvent: (event) => operations.broker(event),
			});
			const { aggregator, broker } = cloud;
			const watching = twins.watch((device) => void aggregator.sendDesired(device));
			t.teardown(() => watching[Symbol.dispose]());
			operations.watch(broker.log, { aggregator, broker, twins, checkpointFile });
			void (async () => {
				for await (const event of aggregator.events()) operations.aggregator(event);
			})();
			return cloud;
		},
		/** Somebody who set the first password. */
		async operator(): Promise<ApiClient> {
			const client = new ApiClient(page.url);
			await client.post("/invitation/accept", {
				token: tokenOf(await page.firstLink()),
				name: "ann",
				password: goodPassword,
			});
			return client;
		},
	};
}

/** The token in a link. */
export function tokenOf(first: { readonly link: string } | undefined): string {
	return first?.link.split("/").at(-1) ?? "";
}
