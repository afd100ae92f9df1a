import { createHash } from "node:crypto";

/** Parts the devices are dealt into for each release. */
const parts = 100;

/**
 * Whether a device is among the first so many per cent that get a release. A device's place depends on device and release
 * alone: who is in at 10 per cent is in at 50, and another release begins with other devices.
 * @param release digest of its client half
 * @param percentage 0 to 100, a whole number
 */
export function isInGroup(device: string, release: string, percentage: number): boolean {
	const digest = createHash("sha256").update(`${release}/${device}`).digest();
	// 2^32 is no multiple of 100: the error is 2e-8.
	return digest.readUInt32BE(0) % parts < percentage;
}
