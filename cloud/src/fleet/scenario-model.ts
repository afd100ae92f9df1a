import type { Scenario } from "@psgl/firmware-sim";
import { clientHalf, compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import type { Random } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";

/** The network a scenario's fleet trains. */
export interface ScenarioModel {
	readonly artifact: Artifact;
	/** Bytes of the client half, as devices get it. */
	readonly client: Uint8Array;
}

/** Compiles the model of a scenario, for the two classes of the synthetic chest phantom. */
export async function scenarioModel({ name, model, fleet }: Scenario, random: Random): Promise<ScenarioModel> {
	const { network, privacy, imageSize } = model;
	const samples = fleet.reduce((sum, group) => sum + group.count * group.samples.least, 0);
	const shape = [1, imageSize, imageSize];
	const definition = presetDefinition(privacy, zooNetwork(network), shape, ["normal", "opacity"], samples);
	const artifact = await compileArtifact(definition, { name, random });
	return { artifact, client: await clientHalf(artifact) };
}
