import {
	compileArtifact,
	convolution,
	dense,
	equalClassWeights,
	flatten,
	type GraphBuilder,
	type ModelDefinition,
	maxPool,
	normalised,
	type ParameterScope,
	presetDefinition,
	type SplitNetwork,
	type Value,
} from "@psgl/models";
import { elementCount, labelTensor, scalar, seededRandom, type Tensor, zeros } from "@psgl/sdk";
import { type Artifact, artifactGraph } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type GoldenVectors, goldenVectors, relativeError } from "../../helpers/golden.js";
import { withShared } from "../../helpers/shared.js";

/** The network of the vectors: convolutions with a bias in front of a batch normalisation. */
const network: SplitNetwork = {
	name: "reference",
	summary: "two convolutions on the device, one and two dense layers a stream",
	spatialAxes: 2,
	rectified: true,
	client: (g, scope, x) => block(g, scope.within("b2"), maxPool(g, block(g, scope.within("b1"), x, 16)), 32),
	stream(g, scope, smashed, classes) {
		const features = maxPool(g, block(g, scope.within("conv"), smashed, 64));
		const hidden = g.add("Relu", [dense(g, scope.within("fc1"), flatten(g, features), 64)]);
		return dense(g, scope.within("fc2"), hidden, classes);
	},
};

function block(g: GraphBuilder, scope: ParameterScope, x: Value, outputs: number): Value {
	const y = convolution(g, scope.within("0"), x, { outputs, kernel: 3 });
	return g.add("Relu", [normalised(g, scope.within("1"), y)]);
}

/** Name of a parameter in the vectors. */
function vectorName(name: string): string {
	return name
		.replace(/^([ARF])\.fusion\./, "fuse.conv.")
		.replace(/^([ARF])\./, (_, stream: string) => `${stream.toLowerCase()}.`)
		.replace("1.scale", "1.weight")
		.replace("1.mean", "1.running_mean")
		.replace("1.variance", "1.running_var");
}

type Entry = { readonly name: string; readonly shape: readonly number[]; readonly offset: number };

/** A flat vector put together from the tensors `prefix + name` of the vectors. */
function flat(vectors: GoldenVectors, entries: readonly Entry[], length: number, prefix: string): Tensor<"float32"> {
	const vector = zeros("float32", [length]);
	for (const { name, offset } of entries) vector.data.set(vectors(prefix + vectorName(name)).data, offset);
	return vector;
}

function part(vector: Tensor, { shape, offset }: Entry): Tensor {
	const data = (vector.data as Float32Array).subarray(offset, offset + elementCount(shape));
	return { dtype: "float32", dims: shape, data };
}

async function reference(): Promise<{ vectors: GoldenVectors; artifact: Artifact; definition: ModelDefinition }> {
	const vectors = await goldenVectors("psgl_step_residual_ste");
	const definition: ModelDefinition = {
		...presetDefinition("paper", network, [1, 16, 16], ["a", "b", "c"]),
		recovery: { kind: "svt", part: "residual", threshold: 0.55, absolute: true },
	};
	return {
		vectors,
		definition,
		artifact: await compileArtifact(definition, { name: "step", random: seededRandom(1) }),
	};
}

withShared("the aggregator's step: losses, decision and gradient at the cut are PyTorch's", async (t) => {
	const { vectors, artifact } = await reference();
	const { server } = artifact.manifest;
	if (server === null) return t.fail("a joint artifact has a server segment");
	const session = await nodeRuntime.load(artifactGraph(artifact, "server/train"));
	const out = await session.run({
		smashed: vectors("out_s"),
		y: labelTensor(vectors("in_y").data),
		params: flat(vectors, server.params, server.paramCount, "w_server."),
		stats: flat(vectors, server.stats, server.statCount, "w_server."),
		slots: zeros("float32", [2 * server.paramCount]),
		learningRate: vectors("attr_lr"),
		step: scalar(1),
		classWeights: equalClassWeights(3),
	});
	t.true(relativeError(out.losses as Tensor, vectors("out_loss_arf")) < 1e-5);
	t.true(relativeError(out.cutGradient as Tensor, vectors("g_cut")) < 1e-4);
	const decision = zeros("float32", [6, 3]);
	const scores = out.scores as Tensor<"float32">;
	for (let b = 0; b < 6; b++) decision.data.set(scores.data.subarray((b * 4 + 3) * 3, (b * 4 + 4) * 3), b * 3);
	t.true(relativeError(decision, vectors("out_fused")) < 1e-5);
	await session.close();
});

withShared("the device's step: Adam and the running statistics are PyTorch's", async (t) => {
	const { vectors, artifact } = await reference();
	const { client, head } = artifact.manifest;
	await using again = await nodeRuntime.load(artifactGraph(artifact, "client/activations"));
	await using session = await nodeRuntime.load(artifactGraph(artifact, "client/train"));
	const inputs = {
		x: vectors("in_x"),
		map: vectors("out_map"),
		params: flat(vectors, client.params, client.paramCount, "w_client."),
		stats: flat(vectors, client.stats, client.statCount, "w_client."),
	};
	const out = await session.run({
		...inputs,
		...(await again.run(inputs)),
		y: labelTensor(vectors("in_y").data),
		cutGradient: vectors("g_cut"),
		slots: zeros("float32", [2 * client.paramCount]),
		head: zeros("float32", [head.paramCount]),
		headSlots: zeros("float32", [2 * head.paramCount]),
		learningRate: vectors("attr_lr"),
		headLearningRate: scalar(0.01),
		step: scalar(1),
	});
	for (const entry of client.params) {
		// A bias in front of a batch normalisation has a gradient of rounding noise, which Adam makes a whole step of.
		if (entry.name.endsWith("0.bias")) continue;
		const after = part(out.next_params as Tensor, entry);
		t.true(relativeError(after, vectors(`out_client.${vectorName(entry.name)}`)) < 1e-4, entry.name);
	}
	for (const entry of client.stats) {
		const after = part(out.next_stats as Tensor, entry);
		t.true(relativeError(after, vectors(`out_client.${vectorName(entry.name)}`)) < 1e-5, entry.name);
	}
});
