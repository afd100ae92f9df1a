import type { Random, Tensor } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";
import { type AttackVariant, fgsm, jsmaAttack, pgd10, signAttack } from "../attacks/white-box.js";
import type { DeployedSystem } from "./deployed-system.js";

type Vector = Tensor<"float32">;

export type AttackName = "fgsm" | "pgd2" | "pgd8" | "jsma";

export const attackNames: readonly AttackName[] = ["fgsm", "pgd2", "pgd8", "jsma"];

/** Accuracy and balanced accuracy by stream. */
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
 * attack and under every variant: the attacker picks the worst, and may leave a picture alone.
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
		const labels = data.labels.subarray(start, start + count);
		const clean = (await system.scores(x)).data;
		for (const name of attackNames) {
			const scores = [clean];
			for await (const attacked of attackedPictures(system, name, x, y, options.random.fork(`${name} ${start}`))) {
				scores.push((await system.scores(attacked)).data);
			}
			tallies[name].add(scores, labels);
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

/** Counts, by stream, pictures recognised under every one of several score sets. */
class Tally {
	readonly #rows: readonly string[];
	readonly #classes: number;
	/** [rows, K] */
	readonly #right: Float64Array;
	readonly #seen: Float64Array;

	constructor(system: DeployedSystem) {
		this.#rows = system.rows;
		this.#classes = system.classes;
		this.#right = new Float64Array(system.rows.length * system.classes);
		this.#seen = new Float64Array(system.classes);
	}

	/** `scores`: [B,rows,K] each. */
	add(scores: readonly Float32Array[], labels: Int32Array): void {
		const rows = this.#rows.length;
		const k = this.#classes;
		labels.forEach((label, b) => {
			this.#seen[label] = (this.#seen[label] ?? 0) + 1;
			for (let row = 0; row < rows; row++) {
				const offset = (b * rows + row) * k;
				if (scores.every((s) => argmax(s, offset, k) === label)) {
					const cell = row * k + label;
					this.#right[cell] = (this.#right[cell] ?? 0) + 1;
				}
			}
		});
	}

	result(): RowAccuracy {
		const k = this.#classes;
		const total = this.#seen.reduce((a, b) => a + b, 0);
		const present = this.#seen.reduce((a, b) => a + (b > 0 ? 1 : 0), 0);
		const accuracy: Record<string, number> = {};
		const balancedAccuracy: Record<string, number> = {};
		this.#rows.forEach((name, row) => {
			const right = this.#right.subarray(row * k, (row + 1) * k);
			accuracy[name] = right.reduce((a, b) => a + b, 0) / total;
			balancedAccuracy[name] =
				right.reduce((sum, r, c) => sum + (this.#seen[c] ? r / (this.#seen[c] as number) : 0), 0) / present;
		});
		return { accuracy, balancedAccuracy };
	}
}

function argmax(values: Float32Array, offset: number, count: number): number {
	let best = 0;
	for (let i = 1; i < count; i++) {
		if ((values[offset + i] as number) > (values[offset + best] as number)) best = i;
	}
	return best;
}
