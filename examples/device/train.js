/**
 * A device that learns from a folder of pictures, one sub-folder for each class: `node train.js KIT DATA STATE`. Killed at any moment it goes
 * on where it was; SIGTERM ends it between two steps. `ward-device.service` runs it.
 */
import { Device } from "@psgl/sdk";
import { loadData } from "@psgl/sdk/sources";
import { openDeviceStore } from "@psgl/sdk/store";

const [kit, folder, state] = process.argv.slice(2);
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());

const data = await loadData(folder, { seed: 1 });
const device = await Device.connect({ kit, data, store: await openDeviceStore(state), signal: stop.signal });
try {
	for await (const event of device.train({ signal: stop.signal })) {
		if (event.type === "trained") console.log(`round ${event.pass}: local loss ${event.localLoss?.toFixed(3)}`);
		if (event.type === "rejected") console.error(event.error.message);
		if (event.type === "end") console.log(`training is over: ${event.reason}`);
	}
} catch (error) {
	if (!stop.signal.aborted) throw error;
} finally {
	await device.close();
}
