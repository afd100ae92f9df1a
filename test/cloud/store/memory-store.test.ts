import { createMemoryBlobStore, createMemoryLeases } from "@psgl/cloud";
import test from "ava";
import { blobStoreCompliance } from "./blob-store-compliance.js";
import { leasesCompliance } from "./leases-compliance.js";

blobStoreCompliance(test, "memory blobs", async () => createMemoryBlobStore());
leasesCompliance(test, "memory leases", async () => {
	const leases = createMemoryLeases();
	return [leases, leases];
});
