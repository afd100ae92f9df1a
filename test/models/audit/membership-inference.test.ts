import { membershipInference, Recogniser } from "@psgl/models";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { trainedModel } from "../../helpers/trained-model.js";

test("members are told by the probability of their class: samples with labels turned round look like strangers", async (t) => {
	const { artifact, data } = await trainedModel("none", { epochs: 3 });
	await using network = await Recogniser.load(artifact, nodeRuntime);
	const part = data.train.subset(Array.from({ length: 60 }, (_, i) => i));
	const { shape, classes, samples } = part;
	const turned = new Dataset({ shape, classes, samples, labels: part.labels.map((label) => 1 - label) });
	const told = await membershipInference(network, part, turned);
	t.true(told > 0.8, `${told}`);
	t.is(await membershipInference(network, part, part), 0.5);
	t.true(Math.abs((await membershipInference(network, turned, part)) - (1 - told)) < 1e-12);
});
