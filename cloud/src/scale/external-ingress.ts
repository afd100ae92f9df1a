import { connectExternalBroker, type ExternalBroker, type ExternalBrokerOptions } from "../broker/external-broker.js";
import type { LogInlet } from "../log/log.js";
import { followOwners } from "./notices.js";
import { PartitionedInlet } from "./partitioned-inlet.js";
import type { RunStore } from "./run-store.js";
import { sharedDelivery } from "./store-downlink.js";

export interface ExternalIngressOptions
	extends Omit<ExternalBrokerOptions<LogInlet>, "log" | "maxMessageBytes" | "sharedName"> {
	readonly store: RunStore;
	/** A partition has an owner that was not heard of before. Its devices find out when they ask for an answer. */
	readonly onOwner?: ((partition: number, epoch: number) => void) | undefined;
}

/**
 * One of several clients of a broker that somebody else runs, between its devices and a run in the store. They share the devices' messages (MQTT 5 shared
 * subscription under the run's name), and whichever is free publishes an answer. Each needs a client id of its own.
 * @throws as `connectExternalBroker` and `RunStore.openLog`.
 */
export async function startExternalIngress({
	store,
	onOwner,
	...options
}: ExternalIngressOptions): Promise<AsyncDisposable & { readonly broker: ExternalBroker<LogInlet> }> {
	const log = await PartitionedInlet.open(store);
	const { maxMessageBytes } = log;
	const broker = await connectExternalBroker({ ...options, log, maxMessageBytes, sharedName: store.name });
	const delivery = sharedDelivery(store.link, store.name, broker);
	const following = followOwners(store.link, store.name, (partition, epoch) => onOwner?.(partition, epoch));
	return {
		broker,
		async [Symbol.asyncDispose]() {
			following[Symbol.dispose]();
			delivery[Symbol.dispose]();
			await broker.close();
		},
	};
}
