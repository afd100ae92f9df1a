import { Aggregator, type AggregatorEvent, type AggregatorSettings, type Broker, startBroker } from "@psgl/cloud";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { EventReader } from "./event-reader.js";

/** Broker and aggregator in this process, as `psgl cloud` runs them. */
export interface Cloud extends AsyncDisposable {
	readonly broker: Broker;
	readonly aggregator: Aggregator;
	readonly events: EventReader<AggregatorEvent>;
	readonly url: string;
}

/** Starts a cloud on a free port, or on `port`. */
export async function startCloud(
	artifact: Artifact,
	settings: AggregatorSettings,
	options: { readonly port?: number; readonly checkpointFile?: string } = {},
): Promise<Cloud> {
	const broker = await startBroker({ port: options.port ?? 0 });
	const { checkpointFile } = options;
	const aggregator = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings, checkpointFile });
	return {
		broker,
		aggregator,
		events: new EventReader<AggregatorEvent>(aggregator.events()),
		url: broker.url,
		async [Symbol.asyncDispose]() {
			await aggregator.close();
			await broker.close();
		},
	};
}
