import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { smallDataset } from "./small-model.js";

/**
 * A device in a process of its own, for tests that kill it: `fork(file, [url, id])`. Sends every event's type to its
 * parent.
 */
// Nobody is left to kill it when the test's own process is gone.
process.on("disconnect", () => process.exit());
const [url, id = ""] = process.argv.slice(2);
const device = await Device.connect({ url, id, runtime: nodeRuntime, data: { train: smallDataset(24, 5) } });
for await (const event of device.train()) process.send?.({ type: event.type });
await device.close();
process.disconnect();
