import { join } from "node:path";
import { Device, type ModelReport } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { openDeviceStore } from "@psgl/sdk/store";
import type { TriedModels } from "./tried-models.js";

/** A device of a fleet to which models are rolled out. */
export interface Member extends AsyncDisposable {
	readonly id: string;
	readonly device: Device;
	readonly reports: readonly ModelReport[];
	/** Resolves when the device decides with this model. */
	has(artifact: string): Promise<void>;
}

export interface MemberOptions {
	readonly url: string;
	readonly id: string;
	/** Of the stores of the devices. */
	readonly folder: string;
	readonly models: TriedModels;
}

/** A device with a store of its own on the disk. */
export async function connectMember({ url, id, folder, models }: MemberOptions): Promise<Member> {
	const reports: ModelReport[] = [];
	const watchers = new Set<() => void>();
	const device = await Device.connect({
		url,
		id,
		runtime: nodeRuntime,
		data: { train: models.data },
		store: await openDeviceStore(join(folder, id)),
		onModel: (report) => {
			reports.push(report);
			for (const watcher of watchers) watcher();
		},
	});
	await device.ready();
	return {
		id,
		device,
		reports,
		async has(artifact) {
			await new Promise<void>((resolve) => {
				const look = () => {
					if (device.artifact !== artifact) return;
					watchers.delete(look);
					resolve();
				};
				watchers.add(look);
				look();
			});
		},
		[Symbol.asyncDispose]: () => device.close(),
	};
}
