import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { smallDataset } from "./small-model.js";

/**
 * A device in a process of its own, for tests that kill it: `fork(file, [url, id])`. Sends the type of every event to its
 * parent.
 */
const [url, id = ""] = process.argv.slice(2);
const device = await Device.connect({ url, id, runtime: nodeRuntime, data: { train: smallDataset(24, 5) } });
for await (const event of device.train()) process.send?.(event.type);
await device.close();
process.disconnect();
