import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
	compileArtifact,
	crossEntropy,
	defaultOptimiser,
	differentiate,
	dropout,
	encodeModel,
	GraphBuilder,
	importModel,
	importNetwork,
	optimiserStep,
	presetDefinition,
	type Value,
} from "@psgl/models";
import { Device, dropoutSeed, elementCount, type Session, scalar, seededRandom, type Tensor, zeros } from "@psgl/sdk";
import { artifactTensor, decodeArtifact, type Manifest } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset, loadData } from "@psgl/sdk/sources";
import test, { type ExecutionContext } from "ava";
import { startCloud } from "../helpers/cloud.js";
import { dropoutFile } from "../helpers/dropout-file.js";
import { flatStep } from "../helpers/flat-step.js";
import { projectFolder } from "../helpers/run-cli.js";
import { sharedPath, withShared } from "../helpers/shared.js";

const rounds = 1;
const batchSize = 16;
const seed = 5;
const learningRate = 0.002;

/** The whole file as one training graph, each weight an input of its own; masks as device and aggregator draw them. */
async function wholeFile(bytes: Uint8Array, droppedOnDevice: readonly string[] = []) {
	const g = new GraphBuilder("whole");
	const optimiser = optimiserStep(defaultOptimiser);
	const state: Record<string, Tensor> = {};
	const weights: Value[] = [];
	const step = g.input("step", "float32", []);
	let onDevice: Value | undefined;
	const outputs = importModel(g, bytes, {
		input: (_name, dtype, shape) => g.input("x", dtype, ["B", ...shape.slice(1)]),
		initializer(name, tensor) {
			// Ratios of dropouts.
			if (elementCount(tensor.dims) === 1) return g.constant(tensor, name);
			state[name] = tensor;
			state[`${name} slots`] = zeros("float32", [optimiser.slotsPerParameter * elementCount(tensor.dims)]);
			const value = g.input(name, tensor.dtype, tensor.dims);
			weights.push(value);
			return value;
		},
		dropout(x, { ratio, name }) {
			if (!droppedOnDevice.includes(name)) {
				const seed = g.add("Cast", [step], { to: { type: "int", value: 7 } });
				return dropout(g, x, { ratio, seed, name: `A.${name}` });
			}
			onDevice ??= g.input("dropoutSeed", "int64", []);
			return dropout(g, x, { ratio, seed: onDevice, name });
		},
	});
	const logits = [...outputs.values()][0] as Value;
	const target = g.input("y", "int64", ["B"]);
	const rate = g.input("learningRate", "float32", []);
	const loss = crossEntropy(g, { logits, target });
	const gradients = differentiate(g, [{ value: loss }], weights);
	for (const [i, weight] of weights.entries()) {
		const flat = g.ints([-1]);
		const length = elementCount(weight.shape as number[]);
		const next = flatStep(g, optimiser, {
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

interface Comparison {
	readonly bytes: Uint8Array;
	readonly cut: readonly string[];
	/** 160 samples. */
	readonly data: Dataset;
	/** Names of the dropouts in front of the cut. */
	readonly droppedOnDevice?: readonly string[];
}

/** Trains over MQTT and in one graph, on the same batches, and compares the weights. */
async function compare(t: ExecutionContext, { bytes, cut, data, droppedOnDevice = [] }: Comparison): Promise<void> {
	const network = importNetwork(bytes, { name: "foreign", cut });
	const definition = presetDefinition("none", network, data.shape, data.classes);
	const artifact = await compileArtifact(definition, { name: "foreign", random: seededRandom(1) });
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

	const { session, state } = await wholeFile(bytes, droppedOnDevice);
	const start = { ...state };
	const random = seededRandom(seed).fork("only");
	let step = 0;
	for (let round = 1; round <= rounds; round++) {
		const order = random.fork(`epoch ${round}`).permutation(data.length);
		for (let from = 0; from < order.length; from += batchSize) {
			const batch = data.batch(order.subarray(from, from + batchSize));
			const seeded = { step: scalar(++step), dropoutSeed: dropoutSeed(random, step) };
			await trainStep(session, state, { ...batch, learningRate: scalar(learningRate), ...seeded });
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
}

withShared("a network of an ONNX file trained over MQTT gets the weights of training the whole file", async (t) => {
	const bytes = await readFile(sharedPath("vectors", "onnx", "lenet_op13.onnx"));
	const { train } = await loadData(sharedPath("data", "mnist"), { seed });
	const data = train.subset(Array.from({ length: 160 }, (_, i) => i));
	await compare(t, { bytes, cut: ["/MaxPool_output_0"], data });
});

test.serial("dropout on both sides of the cut drops in training over MQTT what it drops in one graph", async (t) => {
	const random = seededRandom(9);
	const data = new Dataset({
		shape: [1, 12],
		classes: ["a", "b", "c"],
		labels: Int32Array.from({ length: 160 }, (_, i) => i % 3),
		samples: Float32Array.from({ length: 160 * 12 }, () => random.uniform()),
	});
	await compare(t, { bytes: dropoutFile(), cut: ["cut"], data, droppedOnDevice: ["Dropout_dropped"] });
});

test.serial("an LSTM over 151 steps in front of the cut gets the weights of training the whole file", async (t) => {
	const bytes = await readFile(join(projectFolder, "test/fixtures/onnx/lstm_151_steps_op17.onnx"));
	const random = seededRandom(10);
	const data = new Dataset({
		shape: [1, 605],
		classes: ["a", "b", "c", "d"],
		labels: Int32Array.from({ length: 160 }, (_, i) => i % 4),
		samples: Float32Array.from({ length: 160 * 605 }, () => random.uniform()),
	});
	await compare(t, { bytes, cut: ["/layer/Transpose_1_output_0"], data });
});
