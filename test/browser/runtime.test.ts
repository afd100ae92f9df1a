import { compileModel, presetDefinition, zooNetwork } from "@psgl/models";
import { type Runtime, scalar, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { artifactGraph, artifactTensor, decodeArtifact, optimiserStateLength } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { browserSite } from "../helpers/browser.js";
import { largestDifference } from "../helpers/largest-difference.js";
import { callPage, pageRuntime } from "../helpers/page-calls.js";
import { runtimeCompliance } from "../sdk/runtime-compliance.js";

interface Found {
	readonly provider: string;
	readonly threads: number;
	readonly warnings: readonly string[];
	readonly isolated: boolean;
}

const { test, page } = browserSite("test/browser/page");

runtimeCompliance("web", async () => pageRuntime(await page()), test);

/** Feeds for one training step of the client segment, drawn from a seed. */
async function clientStep() {
	const shape = [1, 28, 28] as const;
	const batch = 4;
	const definition = presetDefinition("robust", zooNetwork("lenet"), shape, ["a", "b"]);
	const random = seededRandom(5);
	// Gradients themselves: a step of plain descent at a rate of 1 takes each off its weight.
	const optimiser = { kind: "sgd", learningRate: 1, momentum: 0, weightDecay: 0 } as const;
	const bytes = await compileModel({ ...definition, optimiser }, { name: "step", random });
	const artifact = await decodeArtifact(bytes);
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
		y: tensor("int64", [batch], BigInt64Array.of(0n, 1n, 1n, 0n)),
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

test("a training step in a browser has the smashed data, map and gradients of one in Node", async (t) => {
	const { artifact, feeds } = await clientStep();
	const step = async (runtime: Runtime): Promise<Record<string, Tensor>> => {
		await using forward = await runtime.load(artifactGraph(artifact, "client/forward"));
		await using train = await runtime.load(artifactGraph(artifact, "client/train"));
		const { smashed, map } = await forward.run(feeds);
		const trained = await train.run({ ...feeds, map: map as Tensor });
		return { smashed: smashed as Tensor, map: map as Tensor, ...trained };
	};
	const [web, node] = await Promise.all([step(pageRuntime(await page())), step(nodeRuntime)]);
	t.deepEqual(Object.keys(web).sort(), Object.keys(node).sort());
	t.true(Object.keys(web).includes("next_params"));
	for (const [name, expected] of Object.entries(node)) {
		t.true(largestDifference(web[name], expected) < 1e-4, name);
	}
	t.notDeepEqual(web.next_params?.data, feeds.params.data);
});

test("float16 is carried as bit patterns, whatever the browser makes of it", async (t) => {
	const { artifact } = await clientStep();
	const encode = artifactGraph(artifact, "wire/encode.float16");
	const dims = [1, ...artifact.manifest.smashedShape];
	const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i));
	const bits = async (runtime: Runtime) => {
		await using session = await runtime.load(encode);
		return (await session.run({ values: tensor("float32", dims, data) })).quantised as Tensor<"float16">;
	};
	const [web, node] = await Promise.all([bits(pageRuntime(await page())), bits(nodeRuntime)]);
	t.is(web.dtype, "float16");
	t.true(web.data instanceof Uint16Array);
	t.deepEqual(web.data, node.data);
});

test("a cross-origin isolated page gets threads", async (t) => {
	const found = await callPage<Found>(await page(), "runtime", { provider: "wasm", threads: 2 });
	t.like(found, { provider: "wasm", threads: 2, warnings: [], isolated: true });
});

test("without WebGPU, asking for it is refused and leaving it to psgl takes WebAssembly", async (t) => {
	await t.throwsAsync(callPage(await page(), "runtime", { provider: "webgpu" }), { code: "PSGL_WEB_PROVIDER" });
	t.like(await callPage<Found>(await page(), "runtime", {}), { provider: "wasm" });
});

test("WebAssembly of another origin is refused", async (t) => {
	const options = { provider: "wasm", wasmFolder: "https://cdn.example/ort/" };
	await t.throwsAsync(callPage(await page(), "runtime", options), { code: "PSGL_WEB_WASM_ORIGIN" });
});
