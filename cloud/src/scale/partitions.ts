import { createHash } from "node:crypto";

/** The partition a device belongs to, for as long as the run lasts: the first 32 bits of SHA-256 of its id, modulo the number of partitions. */
export function partitionOf(device: string, partitions: number): number {
	return createHash("sha256").update(device).digest().readUInt32BE(0) % partitions;
}
