import { decodeArtifact, encodeArtifact } from "@psgl/sdk/artifact";
import type { DeviceFigures } from "./device-telemetry.js";

/**
 * The bytes of a joint artifact whose manifest has what the devices that trained it tell of their disclosure ledgers, `disclosed`. A ledger counts for a
 * device's life, so releases of earlier runs are among it. Where no device has told, the artifact as it was.
 */
export async function disclosedArtifact(
	bytes: Uint8Array,
	devices: readonly Pick<DeviceFigures, "disclosure">[],
): Promise<Uint8Array> {
	const told = devices.flatMap(({ disclosure }) => (disclosure === undefined ? [] : [disclosure]));
	if (told.length === 0) return bytes;
	const { manifest, graphs, tensors, release } = await decodeArtifact(bytes);
	const { members: _, ...draft } = manifest;
	const sum = (key: "records" | "releases" | "bits" | "leftOut") =>
		told.reduce((total, totals) => total + totals[key], 0);
	const most = (key: "mostBits" | "mostEpsilon") => Math.max(...told.map((totals) => totals[key]));
	const disclosed = {
		devices: told.length,
		records: sum("records"),
		releases: sum("releases"),
		bits: sum("bits"),
		mostBits: most("mostBits"),
		mostEpsilon: most("mostEpsilon"),
		leftOut: sum("leftOut"),
	};
	return encodeArtifact({ ...draft, disclosed }, graphs, tensors, { release });
}
