import {
	Aggregator,
	type AggregatorEvent,
	type AggregatorSettings,
	artifactDigest,
	type Broker,
	type BrokerEvent,
	openFileJournal,
	RolloutFolder,
	startBroker,
	type TwinStore,
} from "@psgl/cloud";
import type { Runtime } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { EventReader } from "./event-reader.js";

/** Broker and aggregator in this process, as `psgl cloud` runs them. */
export interface Cloud extends AsyncDisposable {
	readonly broker: Broker;
	readonly aggregator: Aggregator;
	readonly events: EventReader<AggregatorEvent>;
	readonly url: string;
	/** For browsers; undefined without `webSocketOrigins`. */
	readonly webSocketUrl: string | undefined;
}

export interface CloudOptions {
	readonly port?: number;
	readonly checkpointFile?: string;
	readonly journal?: string;
	readonly rolloutFolder?: string;
	readonly partialBytes?: number;
	readonly twins?: TwinStore;
	/** Default: ONNX Runtime. */
	readonly runtime?: Runtime;
	readonly onBrokerEvent?: (event: BrokerEvent) => void;
	/** Default: a free one. */
	readonly webSocketPort?: number;
	/** Origins of pages that may connect. */
	readonly webSocketOrigins?: readonly string[];
}

/** Starts a cloud on a free port, or on `port`. */
export async function startCloud(
	artifact: Artifact,
	settings: AggregatorSettings,
	options: CloudOptions = {},
): Promise<Cloud> {
	const { port = 0, checkpointFile, journal, rolloutFolder, partialBytes, runtime = nodeRuntime } = options;
	const { webSocketPort = 0, webSocketOrigins, onBrokerEvent: onEvent } = options;
	const log =
		journal === undefined ? undefined : await openFileJournal({ folder: journal, run: await artifactDigest(artifact) });
	const webSocket = webSocketOrigins && { port: webSocketPort, origins: webSocketOrigins };
	const broker = await startBroker({ port, webSocket, ...(log && { log }), ...(onEvent && { onEvent }) });
	const aggregator = await Aggregator.start({
		artifact,
		runtime,
		broker,
		settings,
		partialBytes,
		checkpointFile,
		rollouts: rolloutFolder === undefined ? undefined : new RolloutFolder(rolloutFolder),
		twins: options.twins,
		keepLog: true,
	});
	return {
		broker,
		aggregator,
		events: new EventReader<AggregatorEvent>(aggregator.events()),
		url: broker.url,
		webSocketUrl: broker.webSocketUrl,
		async [Symbol.asyncDispose]() {
			await aggregator.close();
			await broker.close();
		},
	};
}
