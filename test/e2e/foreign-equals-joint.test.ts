import { readFile } from "node:fs/promises";
import {
	compileArtifact,
	crossEntropy,
	defaultOptimiser,
	differentiate,
	encodeModel,
	GraphBuilder,
	importModel,
	importNetwork,
	optimiserStep,
	presetDefinition,
	type Value,
} from "@psgl/models";
import { Device, elementCount, type Session, scalar, seededRandom, type Tensor, zeros } from "@psgl/sdk";
import { artifactTensor, decodeArtifact, type Manifest } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { loadData } from "@psgl/sdk/sources";
import { startCloud } from "../helpers/cloud.js";
import { sharedPath, withShared } from "../helpers/shared.js";

const rounds = 1;
const batchSize = 16;
const seed = 5;
const learningRate = 0.002;

/** The whole file as one training graph, each weight an input of its own. */
async function wholeFile(bytes: Uint8Array) {
	const g = new GraphBuilder("whole");
	const optimiser = optimiserStep(defaultOptimiser);
	const state: Record<string, Tensor> = {};
	const weights: Value[] = [];
	const outputs = importModel(g, bytes, {
		input: (_name, dtype, shape) => g.input("x", dtype, ["B", ...shape.slice(1)]),
		initializer(name, tensor) {
			state[name] = tensor;
			state[`${name} slots`] = zeros("float32", [optimiser.slotsPerParameter * elementCount(tensor.dims)]);
			const value = g.input(name, tensor.dtype, tensor.dims);
			weights.push(value);
			return value;
		},
	});
	const target = g.input("y", "int64", ["B"]);
	const [rate, step] = [g.input("learningRate", "float32", []), g.input("step", "float32", [])];
	const loss = crossEntropy(g, { logits: outputs.get("output") as Value, target });
	const gradients = differentiate(g, [{ value: loss }], weights);
	for (const [i, weight] of weights.entries()) {
		const flat = g.ints([-1]);
		const length = elementCount(weight.shape as number[]);
		const next = optimiser.apply(g, {
			params: g.add("Reshape", [weight, flat]),
			gradient: g.add("Reshape", [gradients[i] as Value, flat]),
			slots: g.input(`${weight.name} slots`, "float32", [optimiser.slotsPerParameter * length]),
			learningRate: rate,
			step,
		});
		g.output(`next ${weight.name}`, g.add("Reshape", [next.params, g.ints(weight.shape as number[])]));
		g.output(`next ${weight.name} slots`, next.slots);
	}
	return { session: await nodeRuntime.load(encodeModel(g.build())), state };
}

/** Runs one step and puts the weights it gives in the place of the old ones. */
async function trainStep(session: Session, state: Record<string, Tensor>, feeds: Record<string, Tensor>) {
	const next = await session.run({ ...state, ...feeds });
	for (const name of Object.keys(state)) state[name] = next[`next ${name}`] as Tensor;
}

function largestDifference(
	flat: Tensor,
	{ params }: Manifest["client"],
	prefix: string,
	state: Record<string, Tensor>,
) {
	let most = 0;
	for (const { name, offset } of params) {
		const expected = (state[name.slice(prefix.length)] as Tensor).data;
		for (let i = 0; i < expected.length; i++) {
			most = Math.max(most, Math.abs(Number(flat.data[offset + i]) - Number(expected[i])));
		}
	}
	return most;
}

withShared("a network of an ONNX file trained over MQTT gets the weights of training the whole file", async (t) => {
	const bytes = await readFile(sharedPath("vectors", "onnx", "lenet_op13.onnx"));
	const { train } = await loadData(sharedPath("data", "mnist"), { seed });
	const data = train.subset(Array.from({ length: 160 }, (_, i) => i));
	const network = importNetwork(bytes, { name: "lenet_op13", cut: ["/MaxPool_output_0"] });
	const definition = presetDefinition("none", network, data.shape, data.classes);
	const artifact = await compileArtifact(definition, { name: "lenet", random: seededRandom(1) });
	await using cloud = await startCloud(artifact, {
		rounds,
		batchSize,
		seed,
		learningRate,
		schedule: { kind: "constant", warmUpRounds: 0 },
		smashedDtype: "float32",
		gradientDtype: "float32",
	});
	await using device = await Device.connect({
		url: cloud.url,
		id: "only",
		runtime: nodeRuntime,
		data: { train: data },
	});
	let steps = 0;
	for await (const event of device.train()) if (event.type === "step") steps += 1;
	const trained = await decodeArtifact((await cloud.aggregator.result).artifact);
	t.is(steps, 10);

	const { session, state } = await wholeFile(bytes);
	const start = { ...state };
	let step = 0;
	for (let round = 1; round <= rounds; round++) {
		const order = seededRandom(seed).fork("only").fork(`epoch ${round}`).permutation(data.length);
		for (let from = 0; from < order.length; from += batchSize) {
			const batch = data.batch(order.subarray(from, from + batchSize));
			const feeds = { ...batch, learningRate: scalar(learningRate), step: scalar(++step) };
			await trainStep(session, state, feeds);
		}
	}
	await session.close();
	const { client, server } = trained.manifest;
	if (server === null) return t.fail("a joint artifact has both halves");
	for (const [vector, segment, prefix] of [
		["client/params", client, ""],
		["server/params", server, "A."],
	] as const) {
		const flat = artifactTensor(trained, vector);
		const difference = largestDifference(flat, segment, prefix, state);
		t.log(`${vector}: largest difference ${difference}`);
		t.true(difference <= 1e-5, `${vector} differs by ${difference}`);
		t.true(largestDifference(flat, segment, prefix, start) > 0.005, `${vector} has moved`);
	}
});
