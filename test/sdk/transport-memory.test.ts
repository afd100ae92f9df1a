import { seededRandom, systemClock } from "@psgl/sdk";
import { MemoryHub } from "@psgl/sdk/transport/memory";
import { transportCompliance } from "./transport-compliance.js";

transportCompliance("memory", async () => {
	const hub = new MemoryHub();
	return {
		open: (settings) => hub.transport({ ...settings, clock: systemClock, random: seededRandom(1) }),
		cut: (clientId) => hub.disconnect(clientId),
		accept: (accepting) => {
			hub.available = accepting;
		},
		async [Symbol.asyncDispose]() {},
	};
});
