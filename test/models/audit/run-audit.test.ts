import {
	AuditTarget,
	auditAttackNames,
	auditLimits,
	clientHalf,
	compileArtifact,
	runAudit,
	TrainingClient,
} from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { type Artifact, decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { areas, areasDefinition } from "../../helpers/areas.js";
import { largestDifference } from "../../helpers/largest-difference.js";
import { smallModel } from "../../helpers/small-model.js";
import { trainedModel } from "../../helpers/trained-model.js";

const budget = {
	victims: 16,
	optimisedVictims: 4,
	attackerSamples: 160,
	kernelSamples: 120,
	decoderSteps: 60,
	inversionSteps: 120,
	gradientVictims: 2,
	gradientSteps: 20,
	hijackSteps: 20,
	codeSteps: 20,
	undefendedSteps: 20,
	candidates: 40,
};

/** Victims that an attack takes; all sixteen where it is not here. */
const victimsOf: Readonly<Record<string, number>> = {
	"white-box": 4,
	unsplit: 4,
	"deep-leakage": 2,
	"inverting-gradients": 2,
};

const options = { runtime: nodeRuntime, seed: 1, budget, attacks: auditAttackNames, wire: "float16" } as const;

test("an audit of a network without a defence finds as much in it as in the undefended one", async (t) => {
	const { artifact, data } = await trainedModel("none", { epochs: 1 });
	const finished: string[] = [];
	const result = await runAudit(artifact, data, {
		...options,
		undefended: artifact,
		onEvent: (event) => event.type === "finished" && finished.push(event.result.name),
	});
	t.true(result.complete);
	t.deepEqual(finished, [...auditAttackNames]);
	t.true(result.leak > 0.9 && result.leak < 1.1, `${result.leak}`);
	t.true(result.leakBeyondLabel > 0.9, `${result.leakBeyondLabel}`);
	const label = result.labelDecoder?.similarity ?? Number.NaN;
	t.true(label > 0 && label < result.anchors.undefended, `a decoder that knows the label alone: ${label}`);
	t.true(result.leakBeyondLabelDecoder > 0.5, `${result.leakBeyondLabelDecoder}`);
	const { anchors, pictures } = result;
	t.true(anchors.undefended > anchors.mean + 0.1, JSON.stringify(anchors));
	for (const { name, defended, undefended, victims } of result.reconstructions) {
		t.true(Math.abs(defended.similarity - undefended.similarity) < 0.1, `${name}: float16 hides next to nothing`);
		t.true(defended.recognised !== undefined && defended.recognised >= 0 && defended.recognised <= 1);
		t.is(victims, victimsOf[name] ?? 16, name);
		const rebuilt = pictures.rebuilt.get(name);
		t.true(rebuilt?.data.every((value) => value >= 0 && value <= 1));
	}
	const weak = result.reconstructions.flatMap((attack) => (attack.weak ? [attack.name] : []));
	t.true(weak.includes("deep-leakage") && !weak.includes("kernel-ridge"), weak.join());
	t.deepEqual(result.attackerSet, { name: data.name, distribution: "same" });
	t.true((result.utility?.balancedAccuracy ?? 0) > 0.5);
	t.is(result.utility?.balancedAccuracy, result.utility?.undefended);
	const linkage = result.inferences.find(({ name }) => name === "linkage");
	t.is(linkage?.chance, 1 / 40);
	t.true((linkage?.value ?? 0) > 0.9);
	const membership = result.inferences.find(({ name }) => name === "membership")?.value ?? Number.NaN;
	t.true(
		membership > 0.3 && membership < 0.9,
		`${membership}: a network that was trained a little knows its samples hardly`,
	);
	t.is(result.release.bits, 16 * result.release.values);
});

test("the same seed gives the same audit", async (t) => {
	const { joint } = await smallModel("paper");
	const data = drawnSplits();
	const run = () => runAudit(joint, data, { ...options, attacks: ["kernel-ridge", "white-box", "linkage"] });
	const [first, second] = [await run(), await run()];
	t.is(first.leak, second.leak);
	t.deepEqual(
		first.reconstructions.map(({ seconds: _, ...figures }) => figures),
		second.reconstructions.map(({ seconds: _, ...figures }) => figures),
	);
	t.deepEqual(first.inferences, second.inferences);
});

test("the path attack gets at least what one release gives, and more where an earlier one hid less", async (t) => {
	const { joint } = await smallModel("paper");
	const silent = new Map(joint.tensors);
	const params = joint.tensors.get("client/params") as Tensor<"float32">;
	// A client half that sends next to nothing of a picture, after one that sent it.
	silent.set("client/params", { ...params, data: new Float32Array(params.data.length) });
	const run = (earlier: readonly Artifact[]) =>
		runAudit({ ...joint, tensors: silent }, drawnSplits(), { ...options, attacks: ["path"], earlier });
	const [alone, path] = [await run([]), await run([joint])];
	const similarity = (result: typeof alone) => result.reconstructions[0]?.defended.similarity as number;
	t.true(similarity(path) > similarity(alone) + 0.1, `${similarity(path)} ${similarity(alone)}`);
	t.true(alone.leak < 0.1 && path.leak > 0.5, `${alone.leak} ${path.leak}`);
});

test("what leaves in training is the device's forward pass: the statistics of a batch, and a perturbation within its budget", async (t) => {
	const { joint } = await smallModel("robust");
	const x = everything(drawnSplits().test.subset(Array.from({ length: 16 }, (_, i) => i)));
	const manifest = { ...joint.manifest, robustBudget: 0 };
	await using still = await AuditTarget.load({ ...joint, manifest }, { runtime: nodeRuntime, wire: "float32" });
	await using client = await TrainingClient.load({ ...joint, manifest }, { runtime: nodeRuntime, threads: 1 });
	const { smashed } = await client.forward(x, { dtype: "int64", dims: [16], data: new BigInt64Array(16) });
	const sent = await still.release(x, { inTraining: seededRandom(1) });
	t.deepEqual(sent.dims, smashed.dims);
	t.true(largestDifference(sent, smashed) < 1e-5, "whatever the order within the batch");
	t.true(largestDifference(sent, await still.release(x)) > 1e-3, "not what leaves at inference");
	await using moved = await AuditTarget.load(joint, { runtime: nodeRuntime, wire: "float32" });
	const disturbed = await moved.release(x, { inTraining: seededRandom(1) });
	t.true(largestDifference(disturbed, sent) > 1e-4);
	const whole = await still.release(everything(drawnSplits().test), { inTraining: seededRandom(1) });
	t.is(whole.dims[0], 50);
	t.true(whole.data.every(Number.isFinite));
});

test("an interrupted audit keeps the attacks that are finished", async (t) => {
	const { joint } = await smallModel("paper");
	const stop = new AbortController();
	const result = await runAudit(joint, drawnSplits(), {
		...options,
		attacks: ["kernel-ridge", "decoder", "linkage"],
		signal: stop.signal,
		onEvent: (event) => {
			if (event.type === "progress" && event.what.startsWith("adaptive decoder")) stop.abort();
		},
	});
	t.false(result.complete);
	t.deepEqual(
		result.reconstructions.map(({ name }) => name),
		["kernel-ridge"],
	);
	t.deepEqual(result.inferences, []);
});

test("an attacker who has the victims, too few samples, another shape and a half without a client are refused", async (t) => {
	const { joint } = await smallModel("none");
	const data = drawnSplits();
	const shared = { ...data, train: data.test };
	await t.throwsAsync(runAudit(joint, data, { ...options, attackerData: shared }), { code: "PSGL_AUDIT_OVERLAP" });
	const first = (count: number) => Array.from({ length: count }, (_, i) => i);
	const few = { ...data, test: data.test.subset(first(auditLimits.minAuditVictims - 1)) };
	await t.throwsAsync(runAudit(joint, few, options), { code: "PSGL_AUDIT_SAMPLES" });
	const ignorant = { ...data, train: data.train.subset(first(auditLimits.minAuditAttackerSamples - 1)) };
	await t.throwsAsync(runAudit(joint, ignorant, options), { code: "PSGL_AUDIT_SAMPLES" });
	const { data: phantoms } = await trainedModel("none", { epochs: 0 });
	await t.throwsAsync(runAudit(joint, phantoms, options), { code: "PSGL_INPUT_SHAPE" });
	const onlyServer = new Map([...joint.graphs].filter(([name]) => name.startsWith("server/")));
	await t.throwsAsync(runAudit({ ...joint, graphs: onlyServer }, data, options), { code: "PSGL_ARTIFACT_MEMBER" });
	const { joint: other } = await smallModel("none", { seed: 2 });
	const undefended = { ...other, manifest: { ...other.manifest, classes: ["a", "b", "c"] } };
	await t.throwsAsync(runAudit(joint, data, { ...options, undefended }), { code: "PSGL_AUDIT_UNDEFENDED" });
});

test("samples that a file has in both parts are taken from the attacker; a client half has no gradients to read", async (t) => {
	const { joint } = await smallModel("none");
	const client = await decodeArtifact(await clientHalf(joint));
	const data = drawnSplits();
	const samples = data.train.samples.slice() as Float32Array;
	samples.set((data.test.samples as Float32Array).subarray(0, 128));
	const { shape, classes, labels } = data.train;
	const doubled = { ...data, train: new Dataset({ shape, classes, labels, samples }) };
	const result = await runAudit(client, doubled, { ...options, attacks: ["label-gradient"] });
	t.regex(result.notes.join(), /2 train samples of drawn are in its test part too/);
	t.is(result.attackerSamples, 118);
	t.is(result.inferences[0]?.value, Number.NaN);
	t.regex(result.inferences[0]?.note ?? "", /needs the joint artifact/);
	const notMade = await runAudit(client, data, { ...options, attacks: ["inverting-gradients"] });
	t.deepEqual(
		notMade.skipped.map(({ name }) => name),
		["inverting-gradients"],
	);
	t.true(notMade.complete && notMade.reconstructions.length === 0);
	t.true(Number.isNaN(result.leak), "no attack, no figure");
	t.true(
		result.labelDecoder === undefined && Number.isNaN(result.leakBeyondLabelDecoder),
		"no decoder, no anchor of one",
	);
	t.true(Number.isNaN(result.anchors.undefended));
	t.true(result.anchors.mean > 0 && result.anchors.mean < 1, "the anchors need no attack");
});

const everything = (data: Dataset) => data.batch(Array.from({ length: data.length }, (_, i) => i)).x;

/** Pictures [1,8,8] in two classes, no two alike. */
function drawnSplits(): DataSplits {
	const random = seededRandom(3);
	const part = (count: number): Dataset => {
		const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
		const samples = new Float32Array(count * 64);
		for (let n = 0; n < count; n++) {
			const [x, y] = [8 * random.uniform(), 8 * random.uniform()];
			for (let i = 0; i < 64; i++) {
				const distance = ((i % 8) - x) ** 2 + (Math.floor(i / 8) - y) ** 2;
				samples[n * 64 + i] = 0.3 * (n % 2) + 0.7 * Math.exp(-distance / 6);
			}
		}
		return new Dataset({ shape: [1, 8, 8], classes: ["dark", "bright"], labels, samples });
	};
	return { name: "drawn", synthetic: true, train: part(120), validation: part(20), test: part(50) };
}

test("models and data where several labels may apply to a sample are refused", async (t) => {
	const data: DataSplits = {
		name: "areas",
		synthetic: true,
		train: areas(60, 1),
		validation: areas(10, 2),
		test: areas(10, 3),
	};
	const several = await compileArtifact(areasDefinition("none"), { name: "areas", random: seededRandom(1) });
	await t.throwsAsync(runAudit(several, drawnSplits(), options), { code: "PSGL_AUDIT_LABELS", message: /areas/ });
	const { joint } = await smallModel("none");
	await t.throwsAsync(runAudit(joint, data, options), { code: "PSGL_AUDIT_LABELS" });
});
