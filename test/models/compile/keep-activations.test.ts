import { decodeModel } from "@psgl/models";
import type { Tensors } from "@psgl/sdk";
import { artifactGraph } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { clientStep } from "../../helpers/client-step.js";

test("activations computed again are those of the forward pass, bit for bit", async (t) => {
	const { artifact, feeds } = await clientStep({ shape: [1, 12, 12], batch: 5 });
	const run = async (name: string, inputs: Tensors) => {
		await using session = await nodeRuntime.load(artifactGraph(artifact, name));
		return await session.run(inputs);
	};
	const { map, ...computed } = await run("client/forward", feeds);
	t.deepEqual(await run("client/activations", { ...feeds, ...(map && { map }) }), computed);
});

test("the backward pass of a device holds no convolution of its forward pass", async (t) => {
	const { artifact } = await clientStep({ shape: [1, 12, 12], batch: 5 });
	const normalisations = (name: string) =>
		decodeModel(artifactGraph(artifact, name)).nodes.filter(
			({ type, attributes }) => type === "BatchNormalization" && attributes.training_mode !== undefined,
		).length;
	t.is(normalisations("client/activations"), 2);
	t.is(normalisations("client/train"), 0);
	const { inputs } = decodeModel(artifactGraph(artifact, "client/train"));
	t.true(inputs.some(({ name }) => name === "smashed") && inputs.some(({ name }) => name === "activation.0"));
});
