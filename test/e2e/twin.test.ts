import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Aggregator, type AggregatorEvent, startBroker, type Twin, TwinFolder } from "@psgl/cloud";
import { Device, type DeviceEvent } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type MemoryRecords, memoryDeviceStore } from "@psgl/sdk/store";
import test from "ava";
import { EventReader } from "../helpers/event-reader.js";
import { runCli } from "../helpers/run-cli.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

test("what is wanted of a device is applied between two batches, reported with its errors, and kept over restarts of both", async (t) => {
	const state = await temporaryFolder(t);
	const folder = join(state, "twins");
	const twins = await TwinFolder.open(folder);
	const { joint: artifact } = await smallModel();
	await using broker = await startBroker({ port: 0 });
	const settings = { rounds: 1, batchSize: 4, averageEvery: 0 };
	await using aggregator = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings, twins });
	const events = new EventReader<AggregatorEvent>(aggregator.events());
	using _ = twins.watch((device) => void aggregator.sendDesired(device));
	const records: MemoryRecords = new Map();
	const connect = () =>
		Device.connect({
			url: broker.url,
			id: "ward-3",
			runtime: nodeRuntime,
			data: { train: smallDataset(16) },
			store: memoryDeviceStore(records),
		});
	const device = await connect();
	t.like(await events.next("twin"), { device: "ward-3", version: 0, errors: {} });
	// While it trains it applies them between two batches.
	const training = new EventReader<DeviceEvent>(device.train());
	// As an operator of a later version of psgl would.
	const wanted = { version: 1, settings: { hours: "never", onlyOnMains: true, dutyCycle: 0.5, colour: "red" } };
	await writeFile(join(folder, "ward-3.desired.json"), JSON.stringify(wanted));
	const configured = await training.next("configured");
	t.deepEqual(configured.settings, { onlyOnMains: true, dutyCycle: 0.5 });
	t.deepEqual(Object.keys(configured.errors).sort(), ["colour", "hours"]);
	t.is((await events.next("twin")).version, 1);
	await training.done;
	await device.close();

	const again = await connect();
	const { version, errors } = await events.next("twin");
	t.is(version, 1, "it came back with it, before anybody sent it again");
	t.deepEqual(Object.keys(errors).sort(), ["colour", "hours"]);
	const set = ["twins", "set", "--state", state, "--device", "ward-3", "--settings"];
	t.is((await runCli([...set, '{"window":2,"maxCelsius":120}'])).exitCode, 0);
	while ((await events.next("twin")).version !== 2);
	await again.close();
	const shown = await runCli(["twins", "show", "--state", state, "--json"]);
	const { twins: list } = shown.events.at(-1) as unknown as { twins: readonly Twin[] };
	const [twin] = list;
	t.deepEqual(twin?.desired, { version: 2, settings: { window: 2, maxCelsius: 120 } });
	t.like(twin?.reported, { version: 2, settings: { window: 2, maxCelsius: 120 }, errors: {} });
	t.true((twin?.reported?.disclosure.bits ?? 0) > 0);

	for (const wrong of ['{"dutyCycle":2}', '{"colour":1}', "[]", "no"]) {
		const refused = await runCli([...set, wrong]);
		t.is(refused.exitCode, 2, wrong);
		t.regex(refused.stderr, /PSGL_TWIN_REFUSED/);
	}
	await writeFile(join(folder, "ward-3.desired.json"), "{");
	await t.throwsAsync(twins.get("ward-3"), { code: "PSGL_TWIN_DAMAGED" });
	await using last = await connect();
	while ((await events.next("refused")).code !== "PSGL_TWIN_DAMAGED");
	t.is((await last.ready()).name, "small", "a damaged file ends nothing");
});
