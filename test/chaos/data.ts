import type { DeviceData } from "@psgl/sdk";
import { smallDataset } from "../helpers/small-model.js";

/** A device's data, from its name. */
export function chaosData(id: string): DeviceData {
	const number = Number(id.replaceAll(/\D/g, ""));
	return { train: smallDataset(16, 100 + number), validation: smallDataset(4, 200 + number) };
}

export function chaosDeviceName(index: number): string {
	return `device-${String(index + 1).padStart(2, "0")}`;
}
