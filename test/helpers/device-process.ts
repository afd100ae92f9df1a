import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { openDeviceStore } from "@psgl/sdk/store";
import { smallDataset } from "./small-model.js";

/**
 * A device in a process of its own, for tests that kill it: `fork(file, [url, id, folder of its store])`. Sends every event's type to its
 * parent.
 */
// Nobody is left to kill it when the test's own process is gone.
process.on("disconnect", () => process.exit());
const [url, id = "", folder] = process.argv.slice(2);
const store = folder === undefined ? undefined : await openDeviceStore(folder);
const data = { train: smallDataset(24, 5), validation: smallDataset(8, 6) };
const device = await Device.connect({ url, id, runtime: nodeRuntime, data, store });
for await (const event of device.train()) process.send?.({ type: event.type });
await device.close();
process.disconnect();
