import { setMaxListeners } from "node:events";
import { systemClock } from "@psgl/sdk";
import { Aggregator } from "../aggregator/aggregator.js";
import type { AggregatorOptions } from "../aggregator/aggregator-options.js";
import type { Lease } from "../lease/lease.js";
import { cloudLimits } from "../limits.js";
import { aborted } from "./aborted.js";
import { blobCheckpoints } from "./blob-checkpoints.js";
import { writeBoard } from "./board-writer.js";
import { announceOwner } from "./notices.js";
import { takeOrders } from "./partition-orders.js";
import { partitionOf } from "./partitions.js";
import type { RunStore } from "./run-store.js";
import { StoreDownlink } from "./store-downlink.js";
import { StoreExchange } from "./store-exchange.js";

export interface OwnPartitionOptions {
	readonly store: RunStore;
	readonly partition: number;
	/** Makes this process the owner. */
	readonly lease: Lease;
	readonly aggregator: Omit<
		AggregatorOptions,
		"broker" | "checkpointFile" | "checkpoints" | "exchange" | "twins" | "rollouts" | "signal"
	>;
	/** `over`: the partition is another's from now on, or nobody's; what the aggregator does after that counts for nothing. */
	readonly onOwned?: ((aggregator: Aggregator, over: AbortSignal) => void) | undefined;
	/** Aborting it gives the partition up, as it is: whoever takes it goes on in the middle of the round. */
	readonly signal: AbortSignal;
}

/**
 * Aggregates a partition from its checkpoint and its log on, until it is given up.
 * @throws what ends an aggregator; ConnectionError `PSGL_LEASE_LOST` and ConfigError `PSGL_BLOB_FENCED` when another has the partition.
 */
export async function ownPartition(options: OwnPartitionOptions): Promise<void> {
	const { store, partition, lease, aggregator: more, onOwned, signal } = options;
	const { clock = systemClock } = more;
	const { epoch, lost } = lease;
	const checkpoints = await blobCheckpoints({ blobs: store.blobs, prefix: `p${partition}`, epoch });
	const exchange = await StoreExchange.open({ store, partition, epoch, keepCopies: more.keepLog, clock });
	const twins = await store.openTwins();
	const log = await store.openLog(partition, epoch);
	const ended = new AbortController();
	const over = AbortSignal.any([lost, signal, ended.signal]);
	// Every message on its way to a device waits for it.
	setMaxListeners(0, over);
	const downlink = new StoreDownlink(store.link, store.name, over);
	// Who trains rolls nothing out.
	const rollouts = more.settings?.rounds === 0 ? await store.openRollouts({ partition, signal: over }) : undefined;
	await using aggregator = await Aggregator.start({
		...more,
		broker: {
			log,
			maxMessageBytes: cloudLimits.storeEntryBytes - cloudLimits.packetOverheadBytes,
			send: (device, payload) => downlink.send(device, payload),
		},
		checkpoints,
		exchange,
		twins,
		rollouts,
		patientRollout: true,
	});
	onOwned?.(aggregator, over);
	void announceOwner(store.link, store.name, { partition, epoch, clock, signal: over });
	using _twins = twins.watch((device) => {
		if (partitionOf(device, store.partitions) === partition) void aggregator.sendDesired(device);
	});
	using _orders = takeOrders({ link: store.link, run: store.name, partition, aggregator, checkpoints });
	const { streams } = more.artifact.manifest;
	const board = writeBoard({ store, partition, epoch, aggregator, streams, log, clock, lost, signal: over });
	try {
		await aborted(AbortSignal.any([over, aggregator.broken]));
		aggregator.broken.throwIfAborted();
	} finally {
		ended.abort();
		await board.catch(() => undefined);
		// Before the aggregator stops: it would write down that its round is dropped, which the next owner goes on with.
		await log.close();
	}
	lost.throwIfAborted();
}
