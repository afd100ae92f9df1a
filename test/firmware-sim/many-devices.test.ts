import { Aggregator, startBroker } from "@psgl/cloud";
import { phantomSplits, runFleet } from "@psgl/firmware-sim";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";

test("a fleet of 24 devices does not look like a leak of listeners", async (t) => {
	const warnings: string[] = [];
	const onWarning = (warning: Error) => warnings.push(warning.name);
	process.on("warning", onWarning);
	const data = phantomSplits({ seed: 2, train: 240, validation: 48, test: 16 });
	const definition = presetDefinition("none", zooNetwork("lenet"), data.train.shape, data.train.classes);
	const artifact = await compileArtifact(definition, { name: "many", random: seededRandom(1) });
	await using broker = await startBroker({ port: 0 });
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		settings: { minDevices: 24, rounds: 1, batchSize: 16 },
	});
	const stop = new AbortController();
	const fleet = runFleet({ url: broker.url, devices: 24, data, seed: 1, runtime: nodeRuntime, signal: stop.signal });
	for await (const event of fleet) t.not(event.type, "failed");
	t.is((await aggregator.result).counts.lost, 0);
	// Warnings are delivered on a later turn of the loop.
	await new Promise((resolve) => setImmediate(resolve));
	process.off("warning", onWarning);
	t.deepEqual(warnings, []);
});
