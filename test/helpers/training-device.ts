import { Device, type DeviceEvent, type DeviceOptions } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { EventReader } from "./event-reader.js";
import { ScriptedAggregator, type Terms } from "./scripted-aggregator.js";

/**
 * A device that trains at a scripted aggregator, and what it reports. Closing it closes both.
 *
 * @param artifact the client half that the aggregator hands out
 */
export async function trainingDevice(
	artifact: Uint8Array,
	terms: Terms,
	options: Omit<DeviceOptions, "url" | "transport">,
) {
	const aggregator = await ScriptedAggregator.start(artifact, terms);
	const device = await Device.connect({ url: aggregator.url, runtime: nodeRuntime, ...options });
	const events = new EventReader<DeviceEvent>(device.train());
	return {
		aggregator,
		device,
		events,
		async [Symbol.asyncDispose]() {
			await device.close();
			await events.done.catch(() => undefined);
			await aggregator.close();
		},
	};
}
