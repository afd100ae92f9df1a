import type { Random, Tensor } from "@psgl/sdk";
import type { RecoveryGradient } from "../blocks/recovery-gradient.js";
import type { AttackLoss } from "../compile/attack-graphs.js";
import type { DeployedSystem } from "../evaluation/deployed-system.js";

type Vector = Tensor<"float32">;

/** One way to attack a picture through the whole system. */
export interface AttackVariant {
	/** Which gradient through the recovery is followed. */
	readonly form: RecoveryGradient;
	/** Whether the device's map is computed again for every iterate, or held as it was for the clean picture. */
	readonly map: "constant" | "recomputed";
	readonly loss: AttackLoss;
}

export interface SignAttack {
	/** Largest change of a pixel, as a fraction of the range [0,1]. */
	readonly epsilon: number;
	readonly steps: number;
	readonly stepSize: number;
	/** Start somewhere inside the budget rather than on the picture itself. */
	readonly randomStart: boolean;
}

/** Fast gradient sign method (Goodfellow et al., ICLR 2015). */
export const fgsm = (epsilon: number): SignAttack => ({ epsilon, steps: 1, stepSize: epsilon, randomStart: false });

/** Ten steps of projected gradient descent (Madry et al., ICLR 2018), each a quarter of the budget. */
export const pgd10 = (epsilon: number): SignAttack => ({
	epsilon,
	steps: 10,
	stepSize: epsilon / 4,
	randomStart: true,
});

/** Attacked pictures for a sign attack, one result for each variant. */
export async function signAttack(
	system: DeployedSystem,
	x: Vector,
	y: Tensor<"int64">,
	attack: SignAttack,
	variant: AttackVariant,
	random: Random,
): Promise<Vector> {
	const { epsilon, stepSize } = attack;
	let attacked = x.data;
	if (attack.randomStart) attacked = x.data.map((v) => clip(v + (2 * random.uniform() - 1) * epsilon, 0, 1));
	let { map } = await system.device(x);
	for (let step = 0; step < attack.steps; step++) {
		const at: Vector = { ...x, data: attacked };
		if (variant.map === "recomputed") map = (await system.device(at)).map;
		const gradient = await system.lossGradient(at, map, y, variant.loss, variant.form);
		attacked = attacked.map((v, i) => {
			const original = x.data[i] as number;
			const moved = v + stepSize * Math.sign(gradient.data[i] as number);
			return clip(clip(moved, original - epsilon, original + epsilon), 0, 1);
		});
	}
	return { ...x, data: attacked };
}

/** The picture plus a saliency map of the whole system, scaled to an L-inf budget. */
export async function jsmaAttack(
	system: DeployedSystem,
	x: Vector,
	budget: number,
	form: RecoveryGradient,
): Promise<Vector> {
	const { map } = await system.device(x);
	const perturbation = await system.jsmaPerturbation(x, map, budget, form);
	return { ...x, data: x.data.map((v, i) => clip(v + (perturbation.data[i] as number), 0, 1)) };
}

function clip(value: number, low: number, high: number): number {
	return value < low ? low : Math.min(value, high);
}
