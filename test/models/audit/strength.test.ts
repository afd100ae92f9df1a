import {
	AuditTarget,
	auditBudgets,
	auditData,
	compileArtifact,
	JointTrainer,
	openScene,
	presetDefinition,
	ReconstructionQuality,
	reconstructionAttacks,
	withWeights,
	zooNetwork,
} from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type Dataset, loadData } from "@psgl/sdk/sources";
import { sharedPath, withShared } from "../../helpers/shared.js";

const threads = 2;
const all = (data: Dataset) => data.batch(Array.from({ length: data.length }, (_, i) => i)).x;

withShared(
	"on an undefended network the attackers rebuild PneumoniaMNIST: 0.90 by pairs, in closed form and trained, 0.85 white-box",
	async (t) => {
		const data = await loadData(sharedPath("data", "medmnist", "pneumoniamnist.npz"), { seed: 1 });
		const random = seededRandom(1);
		const { shape, classes } = data.train;
		const definition = presetDefinition("none", zooNetwork("lenet"), shape, classes);
		const fresh = await compileArtifact(definition, { name: "undefended", random });
		await using trainer = await JointTrainer.create(fresh, { runtime: nodeRuntime, threads, random });
		for (let step = 0; step < 150; step++) {
			const batch = Uint32Array.from({ length: 32 }, () => random.integer(data.train.length));
			await trainer.step(data.train, batch, 2e-3 * (1 - step / 150));
		}
		const artifact = await decodeArtifact(await withWeights(fresh, trainer.weights(), "test"));
		await using target = await AuditTarget.load(artifact, { runtime: nodeRuntime, threads, wire: "float16" });
		const victims = { victims: 32, candidates: 32 };
		const budget = { ...auditBudgets.quick, ...victims };
		const parts = auditData(data, undefined, budget, random);
		const originals = all(parts.victims);
		const scene = await openScene(target, parts, { budget, runtime: nodeRuntime, threads, random });
		await using quality = await ReconstructionQuality.load(nodeRuntime, shape, threads);
		const byPairs = await reconstructionAttacks["kernel-ridge"].run(scene);
		t.true((await quality.measure(originals, byPairs)).similarity >= 0.9);
		// The samples of the standard budget, and a fifth of its steps.
		const longer = { ...auditBudgets.standard, ...victims, decoderSteps: auditBudgets.standard.decoderSteps / 5 };
		const more = auditData(data, undefined, longer, random);
		const patient = await openScene(target, more, { budget: longer, runtime: nodeRuntime, threads, random });
		const learned = await reconstructionAttacks.decoder.run(patient);
		t.true((await quality.measure(all(more.victims), learned)).similarity >= 0.9);
		const optimised = await reconstructionAttacks["white-box"].run(scene);
		const first = all(parts.victims.subset(Array.from({ length: optimised.dims[0] as number }, (_, i) => i)));
		t.true((await quality.measure(first, optimised)).similarity >= 0.85);
	},
);
