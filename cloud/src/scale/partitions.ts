import { checksum } from "@psgl/sdk/protocol";

/** The partition a device belongs to, for as long as the run lasts: CRC-32C of its id, modulo the number of partitions. */
export function partitionOf(device: string, partitions: number): number {
	return checksum(new TextEncoder().encode(device)) % partitions;
}
