import { type Runtime, type Tensor, tensor } from "@psgl/sdk";
import { artifactGraph } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { browserSite } from "../helpers/browser.js";
import { clientStep } from "../helpers/client-step.js";
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

test("a training step in a browser has the smashed data, map and gradients of one in Node", async (t) => {
	const { artifact, feeds } = await clientStep({ shape: [1, 28, 28], batch: 4 });
	const step = async (runtime: Runtime): Promise<Record<string, Tensor>> => {
		await using forward = await runtime.load(artifactGraph(artifact, "client/forward"));
		await using train = await runtime.load(artifactGraph(artifact, "client/train"));
		const pass = await forward.run(feeds);
		return { ...pass, ...(await train.run({ ...feeds, ...pass })) };
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
	const { artifact } = await clientStep({ shape: [1, 28, 28], batch: 4 });
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
