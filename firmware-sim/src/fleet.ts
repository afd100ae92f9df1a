import { setMaxListeners } from "node:events";
import { ClientSegmentCache, type Clock, Device, type DeviceEvent, type Runtime } from "@psgl/sdk";
import type { WireDType } from "@psgl/sdk/protocol";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";
import { Channel } from "./channel.js";
import { type Deal, dealSplits, type Share } from "./deal-splits.js";

export interface FleetOptions {
	/** Broker, for instance `mqtt://127.0.0.1:1883`. */
	readonly url: string;
	/** Number of devices. */
	readonly devices: number;
	/** Dealt to the devices; its test part stays here. */
	readonly data: DataSplits;
	/** Default `iid`. */
	readonly deal?: Deal | undefined;
	/** Decides who gets which samples. */
	readonly seed: number;
	readonly runtime: Runtime;
	readonly clock?: Clock | undefined;
	/** Element types the devices offer. Default: all. */
	readonly dtypes?: readonly WireDType[] | undefined;
	/** Milliseconds a device waits before it asks for a missing answer. */
	readonly answerTimeoutMs?: number | undefined;
	/** Stops all devices; the iterator rejects with the signal's reason. */
	readonly signal?: AbortSignal | undefined;
}

/** What happens in a fleet. */
export type FleetEvent =
	/** What a device was dealt, before it connects. */
	| {
			readonly type: "dealt";
			readonly device: string;
			readonly train: number;
			readonly validation: number;
			/** [K] training samples of each class. */
			readonly classCounts: readonly number[];
	  }
	| { readonly type: "connected"; readonly device: string }
	/** What one device tells. */
	| { readonly type: "device"; readonly device: string; readonly event: DeviceEvent }
	/** A device has given up; the others go on. */
	| { readonly type: "failed"; readonly device: string; readonly error: unknown }
	/** All devices have ended. */
	| {
			readonly type: "finished";
			/** Devices that came to the end of training. */
			readonly devices: number;
			readonly failed: number;
			/** Training steps of all devices. */
			readonly steps: number;
			/** Payload bytes of all devices. */
			readonly bytesUp: number;
			readonly bytesDown: number;
			/** Bits released of the record of which most were, in training. */
			readonly bitsPerRecord: number;
	  };

/**
 * Runs real devices in this process, each on its own connection with its own data and weights, all with the same
 * compiled graphs, until the aggregator ends training.
 * @throws the error of the first device when all of them fail; ConfigError and DataError as `dealSplits`.
 */
export async function* runFleet(options: FleetOptions): AsyncGenerator<FleetEvent, void> {
	const { devices, data, deal = "iid", seed, runtime, signal } = options;
	const shares = dealSplits(data, devices, deal, seed);
	for (const [i, { train, validation }] of shares.entries()) {
		const classCounts = countClasses(train);
		const device = deviceName(i, devices);
		yield { type: "dealt", device, train: train.length, validation: validation?.length ?? 0, classCounts };
	}
	const stop = new AbortController();
	// Every device listens, several times while it waits; Node takes more than ten listeners for a leak.
	setMaxListeners(0, stop.signal);
	const abort = () => stop.abort(signal?.reason);
	if (signal?.aborted) abort();
	signal?.addEventListener("abort", abort, { once: true });
	await using segments = new ClientSegmentCache({ runtime });
	const channel = new Channel<FleetEvent>();
	const totals: Totals = { failures: [], steps: 0, bytesUp: 0, bytesDown: 0, bitsPerRecord: 0 };
	const running = Promise.all(
		shares.map((share, i) =>
			runDevice(options, { name: deviceName(i, devices), share, segments, channel, totals, signal: stop.signal }),
		),
	).finally(() => channel.close());
	try {
		yield* channel.read();
		await running;
	} finally {
		signal?.removeEventListener("abort", abort);
		stop.abort();
		await running;
	}
	signal?.throwIfAborted();
	const { failures, ...sums } = totals;
	if (failures.length === devices) throw failures[0];
	yield { type: "finished", devices: devices - failures.length, failed: failures.length, ...sums };
}

interface Totals {
	readonly failures: unknown[];
	steps: number;
	bytesUp: number;
	bytesDown: number;
	bitsPerRecord: number;
}

interface FleetMember {
	readonly name: string;
	readonly share: Share;
	readonly segments: ClientSegmentCache;
	readonly channel: Channel<FleetEvent>;
	readonly totals: Totals;
	readonly signal: AbortSignal;
}

/** One device from its connection to the end of training. Never rejects. */
async function runDevice(options: FleetOptions, member: FleetMember): Promise<void> {
	const { name, share, segments, channel, totals, signal } = member;
	const { url, clock, dtypes, answerTimeoutMs } = options;
	let training = false;
	try {
		await using device = await Device.connect({
			url,
			id: name,
			segments,
			data: share,
			endsWithProcess: true,
			clock,
			dtypes,
			answerTimeoutMs,
			signal,
			// While it trains, the device tells of its link itself.
			onLinkEvent: (event) => {
				if (!training) void channel.put({ type: "device", device: name, event });
			},
		});
		training = true;
		await channel.put({ type: "connected", device: name });
		try {
			for await (const event of device.train({ signal })) {
				if (event.type === "step") totals.steps++;
				await channel.put({ type: "device", device: name, event });
			}
		} finally {
			totals.bytesUp += device.bytesUp;
			totals.bytesDown += device.bytesDown;
			totals.bitsPerRecord = Math.max(totals.bitsPerRecord, device.disclosure.mostBits);
		}
	} catch (error) {
		totals.failures.push(error);
		if (!signal.aborted) await channel.put({ type: "failed", device: name, error });
	}
}

/** `device-1` of 8, `device-01` of 20: in order also as text, which is the order the aggregator steps in. */
function deviceName(index: number, devices: number): string {
	return `device-${String(index + 1).padStart(String(devices).length, "0")}`;
}

/** [K] samples of each class; where several may apply to a sample, it counts for each of them. */
function countClasses({ classes, labels, targets }: Dataset): number[] {
	const counts: number[] = new Array(classes.length).fill(0);
	const count = (label: number, by: number) => {
		counts[label] = (counts[label] ?? 0) + by;
	};
	if (targets === undefined) for (const label of labels) count(label, 1);
	else for (const [i, mark] of targets.entries()) count(i % classes.length, mark);
	return counts;
}
