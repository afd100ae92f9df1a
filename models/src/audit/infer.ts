import type { Runtime, Tensor } from "@psgl/sdk";
import type { InferenceName } from "./attack-catalogue.js";
import type { AttackScene } from "./attack-scene.js";
import type { AuditData } from "./audit-data.js";
import type { InferenceResult } from "./audit-result.js";
import type { AuditTarget } from "./audit-target.js";
import { distanceCorrelation } from "./distance-correlation.js";
import { hindrance } from "./hindrance.js";
import { labelInference } from "./label-inference.js";
import { linkage } from "./linkage.js";
import { membershipInference } from "./membership-inference.js";
import { allOf } from "./open-scene.js";
import { Recogniser } from "./recogniser.js";

export interface InferenceScene {
	readonly data: AuditData;
	/** [V, ...inputShape] */
	readonly originals: Tensor<"float32">;
	readonly defended: AttackScene;
	readonly undefended: AttackScene;
	readonly runtime: Runtime;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
}

/** Samples of its own whose gradients an attacker compares with. */
const ownGradients = 128;

/** Makes an attack that learns something else than the sample itself; NaN with a reason where it cannot be made. */
export async function infer(name: InferenceName, scene: InferenceScene): Promise<InferenceResult> {
	const { data, defended, undefended, originals, runtime, threads, signal } = scene;
	const random = defended.random.fork(name);
	const { target } = defended;
	switch (name) {
		case "linkage": {
			const x = allOf(data.candidates);
			const link = async (network: AuditTarget) => {
				const seen = await network.release(x, { signal });
				const own = network.isRandom ? await network.release(x, { withChance: false, signal }) : seen;
				return linkage(runtime, seen, own, threads);
			};
			const { top1, chance, candidates } = await link(target);
			const free = await link(undefended.target);
			return { name, value: top1, undefended: free.top1, chance, note: `${candidates} candidates` };
		}
		case "distance-correlation": {
			const measure = ({ seen }: AttackScene) => distanceCorrelation(runtime, originals, seen, threads);
			return { name, value: await measure(defended), undefended: await measure(undefended), chance: 0 };
		}
		case "membership": {
			const why = hindrance({ needsServer: true }, [target]);
			if (why !== undefined) return { name, value: Number.NaN, chance: 0.5, note: why };
			await using network = await Recogniser.load(target.artifact, runtime, threads);
			return { name, value: await membershipInference(network, data.members, data.candidates), chance: 0.5 };
		}
		case "label-gradient": {
			const why = hindrance({ needsServer: true, needsGradients: true }, [target]);
			if (why !== undefined) return { name, value: Number.NaN, chance: 0.5, note: why };
			const count = Math.min(ownGradients, data.attacker.length);
			const own = data.attacker.subset(Array.from({ length: count }, (_, i) => i));
			const found = await labelInference(target, data.candidates, own, { runtime, threads, random, signal });
			const note = found === undefined ? "a class is missing among the victims or the attacker's samples" : undefined;
			return { name, value: found?.auc ?? Number.NaN, chance: 0.5, ...(note !== undefined && { note }) };
		}
	}
}
