import type { AggregatorSettings } from "@psgl/cloud";
import { type FleetEvent, phantomSplits, runFleet } from "@psgl/firmware-sim";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { EventReader } from "../helpers/event-reader.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

const devices = 4;

test("four devices learn to tell the phantoms apart", async (t) => {
	const data = phantomSplits({ seed: 3, train: 640, validation: 160, test: 10, difficulty: 0.2 });
	const { shape, classes } = data.train;
	const definition = presetDefinition("robust", zooNetwork("lenet"), shape, classes);
	const artifact = await compileArtifact(definition, { name: "phantom", random: seededRandom(3) });
	// The running statistics of batch normalisation need some steps to follow the network.
	await using cloud = await startCloud(artifact, { rounds: 10, minDevices: devices, seed: 3 });
	const fleet = new EventReader<FleetEvent>(runFleet({ url: cloud.url, devices, data, seed: 3, runtime: nodeRuntime }));
	const { counts, validation, reason } = await cloud.aggregator.result;
	await fleet.done;
	t.is(reason, "finished");
	const finished = fleet.events.at(-1);
	t.like(finished, { type: "finished", devices, failed: 0, steps: counts.applied });
	t.like(counts, { lost: 0, doubled: 0, refused: 0, samples: 10 * 640 });
	const accuracy = validation?.fused?.balancedAccuracy ?? 0;
	t.log(`balanced accuracy ${accuracy.toFixed(3)}`);
	t.true(accuracy >= 0.75, `balanced accuracy ${accuracy}, by chance 0.5`);
	for (const { type } of fleet.events) t.not(type, "failed");
});

/** The trained artifact of a small run, and how its rounds went. */
async function smallRun(settings: AggregatorSettings) {
	const { joint } = await smallModel("robust");
	const data = {
		name: "small",
		synthetic: true,
		train: smallDataset(48),
		validation: smallDataset(24, 2),
		test: smallDataset(2, 3),
	};
	await using cloud = await startCloud(joint, { rounds: 2, batchSize: 6, minDevices: 3, ...settings });
	const fleet = new EventReader<FleetEvent>(
		runFleet({ url: cloud.url, devices: 3, data, seed: 5, runtime: nodeRuntime }),
	);
	const { artifact, counts } = await cloud.aggregator.result;
	await fleet.done;
	return { artifact, counts };
}

for (const strategy of ["splitfed-v2", "splitfed-v1", "sequential"] as const) {
	test(`${strategy}: the same seed gives the same weights to the last bit`, async (t) => {
		const first = await smallRun({ strategy, seed: 1 });
		const second = await smallRun({ strategy, seed: 1 });
		t.like(first.counts, { applied: 18, lost: 0, doubled: 0 });
		t.deepEqual(second.artifact, first.artifact);
		const other = await smallRun({ strategy, seed: 2 });
		t.notDeepEqual(other.artifact, first.artifact);
	});
}
