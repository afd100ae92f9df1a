import type { Random, Runtime, Tensor } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";
import type { AttackScene, Releases } from "./attack-scene.js";
import type { AuditBudget } from "./audit-budget.js";
import type { AuditData } from "./audit-data.js";
import type { AuditTarget } from "./audit-target.js";
import type { ReleaseOptions } from "./sending.js";
import { VictimDevice } from "./victim-device.js";

export interface SceneOptions {
	readonly budget: AuditBudget;
	readonly runtime: Runtime;
	readonly threads: number;
	readonly random: Random;
	readonly signal?: AbortSignal | undefined;
	/** What training sent before, oldest first. */
	readonly earlier?: readonly Releases[];
}

/** Whose samples a scene is made of. */
export type SceneData = Pick<AuditData, "attacker" | "victims" | "candidates">;

/** Lets a network send everything an attacker sees. */
export async function openScene(target: AuditTarget, data: SceneData, options: SceneOptions): Promise<AttackScene> {
	const { runtime, threads, earlier = [] } = options;
	return {
		...options,
		earlier,
		target,
		samples: allOf(data.attacker),
		labels: data.attacker.labels,
		...(await releasesOf(target, data, { signal: options.signal })),
		device: new VictimDevice(target, data.candidates, { runtime, threads, victims: data.victims.length }),
	};
}

/** What a network sends of the attacker's samples and of the victims. */
export async function releasesOf(
	target: AuditTarget,
	{ attacker, victims }: SceneData,
	options: ReleaseOptions = {},
): Promise<Releases> {
	return {
		pairs: await target.release(allOf(attacker), options),
		seen: await target.release(allOf(victims), options),
	};
}

/** All samples of a set, [N, ...shape]. */
export function allOf(dataset: Dataset): Tensor<"float32"> {
	return dataset.batch(Array.from({ length: dataset.length }, (_, i) => i)).x;
}
