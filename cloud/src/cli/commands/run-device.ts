import { dealSplits } from "@psgl/firmware-sim";
import { ConfigError, Device, type DeviceData } from "@psgl/sdk";
import { nodeRuntimeOn } from "@psgl/sdk/runtime/node";
import { openDeviceStore } from "@psgl/sdk/store";
import { budgetOf, type budgetOptions, warnOfSensors } from "../budget-options.js";
import { type dataOptions, loadSplits } from "../data-options.js";
import { parseDeal } from "../deal-options.js";
import { DeviceProgress } from "../device-progress.js";
import { readAddress } from "../kit-options.js";
import type { modalityOptions } from "../modality-options.js";
import type { OptionValues } from "../options/option.js";
import type { VerbContext } from "../verb.js";
import { whenWritable } from "../when-writable.js";

interface DeviceValues
	extends OptionValues<typeof dataOptions>,
		OptionValues<typeof modalityOptions>,
		OptionValues<typeof budgetOptions> {
	readonly url?: string | undefined;
	readonly id?: string | undefined;
	readonly kit?: string | undefined;
	readonly key?: string | undefined;
	readonly classes?: string | undefined;
	readonly split: string;
	readonly deal: string;
	readonly seed: number;
	readonly state?: string | undefined;
	readonly budgetBits?: number | undefined;
	readonly connectDeadline?: number | undefined;
}

/** Trains until the aggregator ends it. */
export async function runDevice(options: DeviceValues, context: VerbContext): Promise<number> {
	const { output, signal } = context;
	const [index = 1, shares = 1] = options.split.split("/").map(Number);
	if (index > shares) {
		throw new ConfigError("PSGL_OPTION", {
			what: "--split cannot be used",
			got: options.split,
			expected: `a share from 1/${shares} to ${shares}/${shares}`,
		});
	}
	const received = options.dicomPort !== undefined || options.watch !== undefined;
	if (received && options.data !== undefined) throw twoSources();
	const address = await readAddress(options);
	const id = address.kit?.id ?? address.id ?? "";
	const progress = new DeviceProgress(output, id);
	await warnOfSensors(options, output);
	const { provider } = options;
	const open = async (data?: DeviceData) =>
		Device.connect({
			...address,
			runtime: nodeRuntimeOn({ provider, onFallback: (reason) => progress.fallback(provider, reason) }),
			budget: budgetOf(options),
			data,
			store: options.state === undefined ? undefined : await openDeviceStore(options.state),
			budgetBits: options.budgetBits,
			signal,
			connectDeadlineMs: options.connectDeadline === undefined ? undefined : options.connectDeadline * 1000,
			onLinkEvent: (event) => progress.link(event),
			onModel: (report) => progress.model(report),
		});
	const connect = (data?: DeviceData) =>
		whenWritable(() => open(data), { onStorage: (error) => progress.storage(error), signal });
	const splits = received
		? await (await import("../collect-images.js")).collectImages(options, connect, context)
		: await loadSplits({ ...options, classes: options.classes?.split(",") }, context);
	await using device = await connect(dealSplits(splits, shares, parseDeal(options.deal), options.seed)[index - 1]);
	let steps = 0;
	for await (const event of device.train({ signal })) {
		if (event.type === "step") steps += 1;
		progress.training(event);
	}
	progress.stop();
	const { bytesUp, bytesDown, disclosure } = device;
	// Its link has more to tell until then, and the result comes last.
	await device.close();
	output.result({ device: id, steps, bytesUp, bytesDown, disclosure });
	return 0;
}

function twoSources(): ConfigError {
	return new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "there has to be one source of samples",
		got: "--data, and --dicom-port or --watch",
		expected: "one of them",
	});
}
