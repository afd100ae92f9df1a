import { bytesPerElement, elementCount, type Random, type Tensor } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { anchors as anchorSamples } from "./anchors.js";
import {
	type AuditAttackName,
	type InferenceName,
	isReconstruction,
	type ReconstructionAttack,
	type ReconstructionName,
	reconstructionAttacks,
} from "./attack-catalogue.js";
import type { AttackScene, Releases } from "./attack-scene.js";
import type { AuditData } from "./audit-data.js";
import type { AttackedBoth, AuditOptions } from "./audit-options.js";
import type {
	AuditResult,
	InferenceResult,
	ReconstructionFigures,
	ReconstructionResult,
	SkippedAttack,
} from "./audit-result.js";
import { AuditTarget } from "./audit-target.js";
import { distanceCorrelation } from "./distance-correlation.js";
import { labelInference } from "./label-inference.js";
import { isWeak, type LeakAnchors, leakOf } from "./leak.js";
import { linkage } from "./linkage.js";
import { membershipInference } from "./membership-inference.js";
import { allOf, openScene, releasesOf } from "./open-scene.js";
import { perceptualDistance, Recogniser } from "./recogniser.js";
import { ReconstructionQuality } from "./reconstruction-quality.js";
import { firstRows, rows } from "./run-in-batches.js";
import { similarityKind } from "./similarity.js";

type Real = Tensor<"float32">;

/** An attack on both networks with the similarity of every victim. */
interface Attacked {
	readonly result: AttackedBoth;
	/** [N] on the undefended network. */
	readonly undefended: Float32Array;
}

interface Measured {
	readonly figures: ReconstructionFigures;
	/** [N] */
	readonly each: Float32Array;
}

/** Why some attacks are not made on a client half. */
const onlyJoint = "needs the joint artifact: the aggregator's half takes part in it";

/** Victims shown in a report. */
const shown = 8;

/** What a defence is measured against. */
export interface UndefendedNetwork {
	readonly artifact: Artifact;
	/** Says so where it is not the same network trained without a defence. */
	readonly note: string | undefined;
}

interface AuditParts {
	readonly target: AuditTarget;
	readonly undefended: AuditTarget;
	readonly reference: UndefendedNetwork;
	readonly parts: AuditData;
	readonly options: AuditOptions;
	readonly random: Random;
}

/** An audit in progress: what both networks sent, and what attacks have found so far. */
export class OpenAudit implements AsyncDisposable {
	readonly #in: AuditParts;
	readonly #quality: ReconstructionQuality;
	readonly #recogniser: Recogniser | undefined;
	readonly #originals: Real;
	readonly #scenes: { readonly defended: AttackScene; readonly undefended: AttackScene };
	readonly #found: Attacked[] = [];
	readonly #inferences: InferenceResult[] = [];
	readonly #skipped: SkippedAttack[] = [];
	readonly #rebuilt = new Map<ReconstructionName, Real>();
	readonly #rebuiltUndefended = new Map<ReconstructionName, Real>();

	private constructor(
		parts: AuditParts,
		quality: ReconstructionQuality,
		recogniser: Recogniser | undefined,
		originals: Real,
		scenes: { readonly defended: AttackScene; readonly undefended: AttackScene },
	) {
		this.#in = parts;
		this.#quality = quality;
		this.#recogniser = recogniser;
		this.#originals = originals;
		this.#scenes = scenes;
	}

	static async open(parts: AuditParts): Promise<OpenAudit> {
		const { options, target, undefended, random, reference } = parts;
		const { runtime, threads = 1, budget, signal } = options;
		const originals = allOf(parts.parts.victims);
		const earlier: Releases[] = [];
		for (const artifact of options.earlier ?? []) {
			await using network = await AuditTarget.load(artifact, { runtime, threads, wire: options.wire });
			earlier.push(await releasesOf(network, parts.parts, signal));
		}
		const scene = { runtime, threads, budget, random, signal };
		const scenes = {
			defended: await openScene(target, parts.parts, { ...scene, earlier }),
			undefended: await openScene(undefended, parts.parts, scene),
		};
		const quality = await ReconstructionQuality.load(runtime, target.manifest.inputShape, threads);
		const joint = reference.artifact.manifest.part === "joint" && reference.note === undefined;
		const recogniser = joint ? await Recogniser.load(reference.artifact, runtime, threads) : undefined;
		return new OpenAudit(parts, quality, recogniser, originals, scenes);
	}

	async attack(name: AuditAttackName): Promise<void> {
		if (isReconstruction(name)) await this.#reconstruct(name);
		else await this.#infer(name);
	}

	async result(): Promise<AuditResult> {
		const { options, parts, target, reference } = this.#in;
		const { mean, classMean } = anchorSamples(parts.attacker, parts.victims.labels);
		const meanSample = await this.#measure(mean);
		const classMeanSample = await this.#measure(classMean);
		// An attack that took fewer victims is judged by the anchors of those alone.
		const anchorsOf = (victims: number): LeakAnchors => {
			const first = (each: Float32Array) => meanOf(each.subarray(0, victims));
			const stronger = this.#found.filter(({ undefended }) => undefended.length >= victims);
			return {
				mean: first(meanSample.each),
				classMean: first(classMeanSample.each),
				undefended:
					stronger.length === 0 ? Number.NaN : Math.max(...stronger.map(({ undefended }) => first(undefended))),
			};
		};
		const reconstructions = this.#found.map(({ result }): ReconstructionResult => {
			const anchors = anchorsOf(result.victims);
			const weak = isWeak(result.undefended.similarity, anchors);
			return { ...result, ...leakOf(result.defended.similarity, anchors), anchors, weak };
		});
		const worstBy = (key: "leak" | "leakBeyondLabel") =>
			reconstructions.reduce<ReconstructionResult | undefined>(
				(worst, one) => (Number.isNaN(one[key]) || (worst && worst[key] >= one[key]) ? worst : one),
				undefined,
			);
		const worst = { leak: worstBy("leak"), leakBeyondLabel: worstBy("leakBeyondLabel") };
		const values = elementCount(target.manifest.smashedShape);
		const { recognised } = (await this.#measure(this.#originals)).figures;
		return {
			complete: this.#found.length + this.#inferences.length + this.#skipped.length === options.attacks.length,
			leak: worst.leak?.leak ?? Number.NaN,
			leakBeyondLabel: worst.leakBeyondLabel?.leakBeyondLabel ?? Number.NaN,
			worst: {
				...(worst.leak && { leak: worst.leak.name }),
				...(worst.leakBeyondLabel && { leakBeyondLabel: worst.leakBeyondLabel.name }),
			},
			similarity: similarityKind(target.manifest.inputShape),
			anchors: anchorsOf(
				reconstructions.reduce((most, { victims }) => Math.max(most, victims), 0) || parts.victims.length,
			),
			meanSample: meanSample.figures,
			classMeanSample: classMeanSample.figures,
			...(recognised !== undefined && { recognisedOriginals: recognised }),
			reconstructions,
			inferences: this.#inferences,
			skipped: this.#skipped,
			victims: parts.victims.length,
			attackerSamples: parts.attacker.length,
			release: { values, bits: 8 * values * bytesPerElement[options.wire] },
			notes: [...parts.notes, ...(reference.note === undefined ? [] : [reference.note])],
			pictures: {
				originals: firstRows(this.#originals, shown),
				smashed: firstRows(this.#scenes.defended.seen, shown),
				rebuilt: this.#rebuilt,
				rebuiltUndefended: this.#rebuiltUndefended,
			},
		};
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#quality.close();
		await this.#recogniser?.close();
	}

	async #reconstruct(name: ReconstructionName): Promise<void> {
		const { onEvent } = this.#in.options;
		const attack: ReconstructionAttack = reconstructionAttacks[name];
		const joint = [this.#in.target, this.#in.undefended].every(({ manifest }) => manifest.part === "joint");
		if (attack.needsServer && !joint) {
			const skipped = { name, why: onlyJoint };
			this.#skipped.push(skipped);
			onEvent?.({ type: "skipped", skipped });
			return;
		}
		const started = performance.now();
		const run = async (scene: AttackScene, from: number): Promise<Real> => {
			const onProgress = (share: number) =>
				onEvent?.({ type: "progress", what: attack.title, share: from + share / 2 });
			return attack.run({ ...scene, onProgress });
		};
		const free = await run(this.#scenes.undefended, 0);
		const held = await run(this.#scenes.defended, 0.5);
		const [defended, undefended] = [await this.#measure(held), await this.#measure(free)];
		const result: AttackedBoth = {
			name,
			victims: held.dims[0] as number,
			defended: defended.figures,
			undefended: undefended.figures,
			seconds: (performance.now() - started) / 1000,
		};
		this.#found.push({ result, undefended: undefended.each });
		this.#rebuilt.set(name, firstRows(held, shown));
		this.#rebuiltUndefended.set(name, firstRows(free, shown));
		onEvent?.({ type: "finished", result });
	}

	async #infer(name: InferenceName): Promise<void> {
		const result = await this.#inference(name);
		this.#inferences.push(result);
		this.#in.options.onEvent?.({ type: "finished", result });
	}

	async #inference(name: InferenceName): Promise<InferenceResult> {
		const { options, target, undefended, parts } = this.#in;
		const { runtime, threads = 1, signal } = options;
		switch (name) {
			case "linkage": {
				const x = allOf(parts.candidates);
				const link = async (network: AuditTarget) => {
					const own = await network.release(x, { signal });
					return linkage(runtime, own, own, threads);
				};
				const { top1, chance, candidates } = await link(target);
				const free = await link(undefended);
				return { name, value: top1, undefended: free.top1, chance, note: `${candidates} candidates` };
			}
			case "distance-correlation": {
				const { defended, undefended: free } = this.#scenes;
				const measure = (scene: AttackScene) => distanceCorrelation(runtime, this.#originals, scene.seen, threads);
				return { name, value: await measure(defended), undefended: await measure(free), chance: 0 };
			}
			case "membership": {
				if (target.manifest.part !== "joint") return { name, value: Number.NaN, chance: 0.5, note: onlyJoint };
				await using network = await Recogniser.load(target.artifact, runtime, threads);
				return { name, value: await membershipInference(network, parts.members, parts.candidates), chance: 0.5 };
			}
			case "label-gradient": {
				if (target.manifest.part !== "joint") return { name, value: Number.NaN, chance: 0.5, note: onlyJoint };
				const own = parts.attacker.subset(Array.from({ length: Math.min(128, parts.attacker.length) }, (_, i) => i));
				const found = await labelInference(target, parts.candidates, own, { runtime, threads, signal });
				const note = found === undefined ? "a class is missing among the victims or the attacker's samples" : undefined;
				return { name, value: found?.auc ?? Number.NaN, chance: 0.5, ...(note !== undefined && { note }) };
			}
		}
	}

	async #measure(rebuilt: Real): Promise<Measured> {
		const originals = rows(this.#originals, 0, rebuilt.dims[0] as number);
		const { mse, psnr, similarity, each } = await this.#quality.measure(originals, rebuilt);
		if (this.#recogniser === undefined) return { figures: { mse, psnr, similarity }, each };
		const [a, b] = [await this.#recogniser.look(originals), await this.#recogniser.look(rebuilt)];
		const { labels } = this.#in.parts.victims;
		const right = b.decisions.reduce((sum, decision, n) => sum + (decision === labels[n] ? 1 : 0), 0);
		const figures = { mse, psnr, similarity, perceptualDistance: perceptualDistance(a, b) };
		return { figures: { ...figures, recognised: right / b.decisions.length }, each };
	}
}

const meanOf = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
