import { type Broker, type BrokerEvent, type BrokerOptions, startBroker } from "../broker/broker.js";
import type { LogInlet } from "../log/log.js";
import { followOwners } from "./notices.js";
import { PartitionedInlet } from "./partitioned-inlet.js";
import { partitionOf } from "./partitions.js";
import type { RunStore } from "./run-store.js";
import { StoreDelivery } from "./store-downlink.js";

export interface IngressOptions extends Omit<BrokerOptions, "log" | "maxMessageBytes"> {
	readonly store: RunStore;
	/** A partition has an owner that was not heard of before; its devices are told to introduce themselves. */
	readonly onOwner?: ((partition: number, epoch: number) => void) | undefined;
}

/** One of several brokers of a run. It keeps nothing: what devices publish is in the store before it is acknowledged. */
export interface Ingress extends AsyncDisposable {
	readonly broker: Broker<LogInlet>;
	close(): Promise<void>;
}

/** Starts a broker whose log is the run's store. @throws as `startBroker` and `RunStore.openLog`. */
export async function startIngress({ store, onOwner, onEvent, ...options }: IngressOptions): Promise<Ingress> {
	const inlet = await PartitionedInlet.open(store);
	let delivery: StoreDelivery | undefined;
	const connected = new Set<string>();
	const broker = await startBroker({
		...options,
		log: inlet,
		maxMessageBytes: inlet.maxMessageBytes,
		onEvent: (event: BrokerEvent) => {
			if (event.type === "connected") {
				connected.add(event.client);
				delivery?.connected(event.client);
			}
			if (event.type === "disconnected") {
				connected.delete(event.client);
				delivery?.disconnected(event.client);
			}
			onEvent?.(event);
		},
	});
	delivery = new StoreDelivery(store.link, store.name, broker);
	for (const device of connected) delivery.connected(device);
	const following = followOwners(store.link, store.name, (partition, epoch) => {
		// The new owner knows no device: they come back at once, and say who they are.
		for (const device of connected) {
			if (partitionOf(device, store.partitions) === partition)
				broker.disconnect(device, "its partition has a new owner");
		}
		onOwner?.(partition, epoch);
	});
	const close = async () => {
		following[Symbol.dispose]();
		delivery?.close();
		await broker.close();
	};
	return { broker, close, [Symbol.asyncDispose]: close };
}
