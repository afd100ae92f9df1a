import { compileArtifact, JointTrainer, type ModelDefinition, presetDefinition, zooNetwork } from "@psgl/models";
import { ConfigError, elementCount, seededRandom } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { smallDataset, smallShape } from "../../helpers/small-model.js";

const definitionWith = (changed: Partial<ModelDefinition>): ModelDefinition => ({
	...presetDefinition("none", zooNetwork("lenet"), smallShape, ["dark", "bright"]),
	...changed,
});

const compile = (changed: Partial<ModelDefinition>): Promise<Artifact> =>
	compileArtifact(definitionWith(changed), { name: "small", random: seededRandom(1) });

/** Trains for `steps` steps; losses of the last stream. */
async function train(artifact: Artifact, steps: number) {
	await using trainer = await JointTrainer.create(artifact, { runtime: nodeRuntime, random: seededRandom(2) });
	const data = smallDataset(16);
	const indices = Array.from({ length: 16 }, (_, i) => i);
	const losses: number[] = [];
	for (let i = 0; i < steps; i++) losses.push((await trainer.step(data, indices, 0.01)).losses.at(-1) as number);
	return { losses, weights: trainer.weights() };
}

const losses: readonly ModelDefinition["loss"][] = [
	{ kind: "cross-entropy", labelSmoothing: 0.1 },
	{ kind: "focal", gamma: 2 },
	{ kind: "mean-squared-error" },
];

for (const loss of losses) {
	test(`${loss.kind}: both halves learn by it, and the manifest says so`, async (t) => {
		const artifact = await compile({ loss });
		t.deepEqual(artifact.manifest.loss, loss);
		const { losses: seen } = await train(artifact, 12);
		t.true((seen.at(-1) as number) < 0.7 * (seen[0] as number), `from ${seen[0]} to ${seen.at(-1)}`);
	});
}

/** What of a flat vector changed, by the names of its parameters. */
function changedParameters(
	artifact: Artifact,
	after: ReadonlyMap<string, { data: Float32Array }>,
): ReadonlySet<string> {
	const { client, head, server } = artifact.manifest;
	const parts = {
		client: { entries: client.params, tensor: "client/params" },
		head: { entries: head.params, tensor: "client/head" },
		server: { entries: server?.params ?? [], tensor: "server/params" },
	};
	const changed = new Set<string>();
	for (const [part, { entries, tensor }] of Object.entries(parts)) {
		for (const { name, shape, offset } of entries) {
			const slice = (data: Float32Array | undefined) => data?.subarray(offset, offset + elementCount(shape)).join();
			if (slice(artifact.tensors.get(tensor)?.data) !== slice(after.get(tensor)?.data)) changed.add(`${part}.${name}`);
		}
	}
	return changed;
}

test("frozen parameters never change, also under weight decay; all others do", async (t) => {
	const optimiser = { kind: "sgd", learningRate: 0.1, momentum: 0.9, weightDecay: 0.1 } as const;
	const frozen = ["client.conv1.*", "server.A.dense1.*", "head.bias"];
	const artifact = await compile({ optimiser, frozen });
	const changed = changedParameters(artifact, (await train(artifact, 3)).weights);
	const { client, head, server } = artifact.manifest;
	const all = [
		...client.params.map((p) => `client.${p.name}`),
		...head.params.map((p) => `head.${p.name}`),
		...(server?.params ?? []).map((p) => `server.${p.name}`),
	];
	const isFrozen = (name: string) => /^(client\.conv1\.|server\.A\.dense1\.|head\.bias$)/.test(name);
	t.deepEqual([...changed].sort(), all.filter((name) => !isFrozen(name)).sort());
	t.is(all.filter(isFrozen).length, 6);
});

test("no gradient is made for what is frozen: its optimiser keeps nothing", async (t) => {
	const frozen = await compile({ frozen: ["client.*"] });
	t.is(frozen.manifest.client.trainedCount, 0);
	const whole = await compile({});
	t.is(whole.manifest.client.trainedCount, whole.manifest.client.paramCount);
	const bytes = (artifact: Artifact) => artifact.graphs.get("client/train")?.byteLength as number;
	t.true(bytes(frozen) < bytes(whole) / 2, `${bytes(frozen)} and ${bytes(whole)} bytes`);
	const { weights } = await train(frozen, 2);
	t.deepEqual(weights.get("client/params")?.data, frozen.tensors.get("client/params")?.data);
});

test("a pattern that freezes nothing is refused with the names there are", async (t) => {
	const error = await t.throwsAsync(compile({ frozen: ["client.*", "client.conf1.*"] }), { instanceOf: ConfigError });
	t.is(error?.code, "PSGL_MODEL_FROZEN");
	t.is(error?.got, "client.conf1.*");
	t.regex(error?.expected ?? "", /client\.conv1\.conv\.weight/);
});

test("accumulation steps every second batch, in both halves", async (t) => {
	const artifact = await compile({ accumulationSteps: 2 });
	const start = artifact.tensors.get("server/params")?.data as Float32Array;
	const after = async (steps: number) => (await train(artifact, steps)).weights;
	t.deepEqual((await after(1)).get("server/params")?.data, start);
	t.deepEqual((await after(1)).get("client/params")?.data, artifact.tensors.get("client/params")?.data);
	t.notDeepEqual((await after(2)).get("server/params")?.data, start);
	t.deepEqual((await after(3)).get("server/params")?.data, (await after(2)).get("server/params")?.data);
});

test("clipping by norm bounds the step of plain gradient descent", async (t) => {
	const optimiser = { kind: "sgd", learningRate: 1, momentum: 0, weightDecay: 0 } as const;
	const artifact = await compile({ optimiser, gradientClipping: { kind: "norm", limit: 1e-3 } });
	const { weights } = await train(artifact, 1);
	for (const name of ["client/params", "server/params"]) {
		const before = artifact.tensors.get(name)?.data as Float32Array;
		const now = weights.get(name)?.data as Float32Array;
		const moved = Math.sqrt(now.reduce((sum, v, i) => sum + (v - (before[i] as number)) ** 2, 0));
		// The learning rate is 0.01.
		t.true(Math.abs(moved - 1e-5) < 2e-6, `${name} moved by ${moved}`);
	}
});
