import { type FleetEvent, runFleet } from "@psgl/firmware-sim";
import { PsglError, withThreads } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { defaultThreads } from "../common-options.js";
import { type dataOptions, loadSplits } from "../data-options.js";
import { parseDeal } from "../deal-options.js";
import { retryLine } from "../device-progress.js";
import { formatBytes } from "../format.js";
import type { OptionValues } from "../options/option.js";
import type { Output } from "../output.js";
import { useRoomyHeap } from "../roomy-heap.js";
import type { VerbContext } from "../verb.js";

interface FleetValues extends OptionValues<typeof dataOptions> {
	readonly url: string;
	readonly devices: number;
	readonly deal: string;
	readonly seed: number;
	readonly threads?: number | undefined;
}

/** Runs the fleet until training ends; 0 when every device came to the end. */
export async function runFleetVerb(options: FleetValues, context: VerbContext): Promise<number> {
	useRoomyHeap();
	const { output, signal } = context;
	const data = await loadSplits(options, context);
	let failed = 0;
	const events = runFleet({
		url: options.url,
		devices: options.devices,
		data,
		deal: parseDeal(options.deal),
		seed: options.seed,
		runtime: withThreads(nodeRuntime, options.threads ?? defaultThreads()),
		signal,
	});
	for await (const event of events) {
		showFleetEvent(output, event);
		if (event.type !== "finished") continue;
		failed = event.failed;
		const { type: _, ...counts } = event;
		output.print(
			`${event.devices} devices made ${event.steps} steps; ${formatBytes(event.bytesUp)} up, ${formatBytes(event.bytesDown)} down`,
		);
		output.result(counts);
	}
	return failed === 0 ? 0 : 1;
}

/** A line for what an operator wants to see of many devices; programs get everything. */
export function showFleetEvent(output: Output, event: FleetEvent): void {
	switch (event.type) {
		case "dealt": {
			const { type, device, train, classCounts } = event;
			output.event(type, event, `${device}: ${train} samples, by class ${classCounts.join(", ")}`);
			return;
		}
		case "connected":
			output.event("connected", event);
			return;
		case "failed":
			output.event(
				"failed",
				{ device: event.device, ...failure(event.error) },
				`${event.device}: ${String(event.error)}`,
			);
			return;
		case "device": {
			const inner = event.event;
			const name = inner.type;
			const line = name === "offline" ? inner.reason : name === "retry" ? retryLine(inner) : undefined;
			if (inner.type === "rejected") output.event(name, { device: event.device, ...failure(inner.error) });
			else output.event(name, { device: event.device, ...inner }, line && `${event.device}: ${line}`);
			return;
		}
		case "finished":
			return;
	}
}

function failure(error: unknown): Readonly<Record<string, unknown>> {
	return error instanceof PsglError ? { code: error.code, what: error.what } : { what: String(error) };
}
