import { memoryDeviceStore } from "@psgl/sdk/store";
import { deviceStoreCompliance } from "./device-store-compliance.js";

deviceStoreCompliance("memory", async () => {
	const records = new Map<string, Uint8Array>();
	return { open: async () => memoryDeviceStore(records) };
});
