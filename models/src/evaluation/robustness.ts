import type { Random, Tensor } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";
import { type AttackVariant, fgsm, jsmaAttack, pgd10, signAttack } from "../attacks/white-box.js";
import type { DeployedSystem } from "./deployed-system.js";

type Vector = Tensor<"float32">;

export type AttackName = "fgsm" | "pgd2" | "pgd8" | "jsma";

export const attackNames: readonly AttackName[] = ["fgsm", "pgd2", "pgd8", "jsma"];

/** Accuracy and balanced accuracy by stream; where several labels may apply to a sample, as `MultiLabelMetrics` defines them. */
export interface RowAccuracy {
	readonly accuracy: Readonly<Record<string, number>>;
	readonly balancedAccuracy: Readonly<Record<string, number>>;
}

export interface RobustnessOptions {
	readonly random: Random;
	readonly signal?: AbortSignal | undefined;
	/** Called after each batch with the number of samples done. */
	readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

const batchSize = 128;

/** FGSM and PGD budgets of 2/255 and 8/255 and the map's L-inf 0.5, as docs/results.md reports them. */
const signAttacks = { fgsm: fgsm(8 / 255), pgd2: pgd10(2 / 255), pgd8: pgd10(8 / 255) } as const;
const jsmaBudget = 0.5;

/**
 * Accuracy under white-box attacks on the picture before the device does its usual work. Each picture
 * meets several variants of an attack, and counts as recognised only if it is recognised without the
 * attack and under every variant: the attacker picks the worst, and may leave a picture alone. Where several labels may
 * apply to a picture, each label of it counts so by itself: the attacker picks the worst for each.
 */
export async function attackedAccuracy(
	system: DeployedSystem,
	data: Dataset,
	options: RobustnessOptions,
): Promise<Readonly<Record<AttackName, RowAccuracy>>> {
	const tallies = Object.fromEntries(attackNames.map((name) => [name, new Tally(system)])) as Record<AttackName, Tally>;
	for (let start = 0; start < data.length; start += batchSize) {
		options.signal?.throwIfAborted();
		const count = Math.min(batchSize, data.length - start);
		const indices = Array.from({ length: count }, (_, i) => start + i);
		const { x, y } = data.batch(indices);
		const clean = (await system.scores(x)).data;
		for (const name of attackNames) {
			const scores = [clean];
			for await (const attacked of attackedPictures(system, name, x, y, options.random.fork(`${name} ${start}`))) {
				scores.push((await system.scores(attacked)).data);
			}
			tallies[name].add(scores, y);
		}
		options.onProgress?.(start + count, data.length);
	}
	return Object.fromEntries(attackNames.map((name) => [name, tallies[name].result()])) as unknown as Record<
		AttackName,
		RowAccuracy
	>;
}

async function* attackedPictures(
	system: DeployedSystem,
	name: AttackName,
	x: Vector,
	y: Tensor<"int64">,
	random: Random,
): AsyncGenerator<Vector> {
	if (name === "jsma") {
		for (const form of system.gradientForms) yield jsmaAttack(system, x, jsmaBudget, form);
		return;
	}
	for (const form of system.gradientForms) {
		const variants: AttackVariant[] = [
			{ form, map: "constant", loss: "sum" },
			{ form, map: "recomputed", loss: "fused" },
		];
		for (const variant of variants) {
			yield signAttack(system, x, y, signAttacks[name], variant, random.fork(`${form} ${variant.map}`));
		}
	}
}

/**
 * Counts, by stream, what was decided rightly under every one of several score sets. Questions with the same answers make a
 * group: which class is it, or, where several labels may apply, does label k apply.
 */
class Tally {
	readonly #rows: readonly string[];
	readonly #classes: number;
	/** By group, by answer: asked, and rightly answered in each row. */
	readonly #groups: { readonly asked: number; readonly right: Float64Array }[][] = [];

	constructor(system: DeployedSystem) {
		this.#rows = system.rows;
		this.#classes = system.classes;
	}

	/** `scores`: [B,rows,K] each; `y`: [B] class indices or [B,K] marks. */
	add(scores: readonly Float32Array[], { dims, data }: Tensor<"int64">): void {
		const k = this.#classes;
		const several = dims.length === 2;
		for (const [i, value] of data.entries()) {
			const answer = Number(value);
			const [b, label] = several ? [Math.floor(i / k), i % k] : [i, 0];
			this.#count(label, answer, (row) => {
				const offset = (b * this.#rows.length + row) * k;
				return scores.every((s) => (several ? applies(s, offset + label) : argmax(s, offset, k)) === answer);
			});
		}
	}

	result(): RowAccuracy {
		const groups = this.#groups.map((answers) => answers.filter((cell) => cell !== undefined));
		const total = groups.flat().reduce((sum, { asked }) => sum + asked, 0);
		// Whether a label applies is no question where it applies to all samples or to none.
		const asked = groups.length > 1 ? groups.filter((answers) => answers.length > 1) : groups;
		const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
		const accuracy: Record<string, number> = {};
		const balancedAccuracy: Record<string, number> = {};
		this.#rows.forEach((name, row) => {
			accuracy[name] = groups.flat().reduce((sum, { right }) => sum + (right[row] as number), 0) / total;
			const recalls = asked.map((answers) => mean(answers.map(({ right, asked }) => (right[row] as number) / asked)));
			balancedAccuracy[name] = mean(recalls);
		});
		return { accuracy, balancedAccuracy };
	}

	#count(group: number, answer: number, isRight: (row: number) => boolean): void {
		this.#groups[group] ??= [];
		const answers = this.#groups[group];
		const { asked, right } = answers[answer] ?? { asked: 0, right: new Float64Array(this.#rows.length) };
		for (let row = 0; row < right.length; row++) if (isRight(row)) right[row] = (right[row] as number) + 1;
		answers[answer] = { asked: asked + 1, right };
	}
}

function applies(values: Float32Array, at: number): number {
	return (values[at] as number) > 0.5 ? 1 : 0;
}

function argmax(values: Float32Array, offset: number, count: number): number {
	let best = 0;
	for (let i = 1; i < count; i++) {
		if ((values[offset + i] as number) > (values[offset + best] as number)) best = i;
	}
	return best;
}
