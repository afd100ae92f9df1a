import { Aggregator, startBroker } from "@psgl/cloud";
import { phantomSplits, runFleet } from "@psgl/firmware-sim";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";

for (const momentum of [0, 0.9]) {
	test(`SGD with momentum ${momentum} trains over MQTT`, async (t) => {
		const data = phantomSplits({ seed: 4, train: 64, validation: 16, test: 16 });
		const definition = presetDefinition("none", zooNetwork("lenet"), data.train.shape, data.train.classes);
		const artifact = await compileArtifact(
			{ ...definition, optimiser: { kind: "sgd", learningRate: 0.05, momentum, weightDecay: 0 } },
			{ name: "sgd", random: seededRandom(1) },
		);
		await using broker = await startBroker({ port: 0 });
		await using aggregator = await Aggregator.start({
			artifact,
			runtime: nodeRuntime,
			broker,
			settings: { minDevices: 2, rounds: 1, batchSize: 16 },
		});
		const fleet = runFleet({ url: broker.url, devices: 2, data, seed: 1, runtime: nodeRuntime });
		for await (const event of fleet) t.not(event.type, "failed");
		const result = await aggregator.result;
		t.is(result.counts.applied, 4);
		const trained = await decodeArtifact(result.artifact);
		t.notDeepEqual(trained.tensors.get("server/params"), artifact.tensors.get("server/params"));
	});
}
