import { Dataset } from "../sources/dataset.js";
import type { DeviceData } from "./device-data.js";

/** What a device trains on: both parts, or training samples alone. */
export type Source = Dataset | DeviceData;

/** Whether something given to `Device.train` is samples, and not options. */
export function isSource(given: object): given is Source {
	return given instanceof Dataset || "train" in given || "validation" in given;
}

/** The parts of a source. */
export function partsOf(source: Source): DeviceData {
	return source instanceof Dataset ? { train: source } : source;
}
