import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { scalar, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";

/** A `robust` LeNet, and feeds for one training step of its client segment, drawn from a seed. */
export async function clientStep({ shape, batch }: { readonly shape: readonly number[]; readonly batch: number }) {
	const definition = presetDefinition("robust", zooNetwork("lenet"), shape, ["a", "b"]);
	const random = seededRandom(5);
	// Gradients themselves: a step of plain descent at a rate of 1 takes each off its weight.
	const optimiser = { kind: "sgd", learningRate: 1, momentum: 0, weightDecay: 0 } as const;
	const artifact = await compileArtifact({ ...definition, optimiser }, { name: "step", random });
	const { manifest } = artifact;
	const drawn = (dims: readonly number[], spread: number): Tensor<"float32"> => {
		const count = dims.reduce((a, b) => a * b, 1);
		return tensor(
			"float32",
			dims,
			Float32Array.from({ length: count }, () => spread * random.uniform()),
		);
	};
	const zero = (length: number) => tensor("float32", [length], new Float32Array(length));
	const feeds = {
		x: drawn([batch, ...shape], 1),
		y: tensor(
			"int64",
			[batch],
			BigInt64Array.from({ length: batch }, () => BigInt(random.integer(2))),
		),
		delta: drawn([batch, ...shape], 0.01),
		budget: scalar(0.5),
		robustBudget: scalar(0.01),
		params: artifactTensor(artifact, "client/params"),
		stats: artifactTensor(artifact, "client/stats"),
		head: artifactTensor(artifact, "client/head"),
		slots: zero(optimiserStateLength(manifest, "client")),
		headSlots: zero(optimiserStateLength(manifest, "head")),
		step: scalar(1),
		learningRate: scalar(1),
		headLearningRate: scalar(1),
		cutGradient: drawn([batch, ...manifest.smashedShape], 0.1),
	};
	return { artifact, feeds };
}
