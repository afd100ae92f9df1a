import { elementCount, type Random, type Tensor } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { metricsOn } from "../evaluation/decision-metrics.js";
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
import type { AuditResult, InferenceResult, ReconstructionFigures, SkippedAttack } from "./audit-result.js";
import { AuditTarget } from "./audit-target.js";
import { hindrance } from "./hindrance.js";
import { infer } from "./infer.js";
import { type Attacked, judgeAttacks, worstNames } from "./judge-attacks.js";
import { labelDecoder } from "./label-decoder.js";
import { allOf, openScene, releasesOf } from "./open-scene.js";
import { perceptualDistance, Recogniser } from "./recogniser.js";
import { ReconstructionQuality } from "./reconstruction-quality.js";
import { firstRows, rows } from "./run-in-batches.js";
import { signalFigures } from "./signal-figures.js";
import { similarityKind } from "./similarity.js";

type Real = Tensor<"float32">;

interface Measured {
	readonly figures: ReconstructionFigures;
	/** [N] */
	readonly each: Float32Array;
}

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
	readonly #mean: Real;
	readonly #classMean: Real;
	readonly #scenes: { readonly defended: AttackScene; readonly undefended: AttackScene };
	readonly #found: Attacked[] = [];
	readonly #inferences: InferenceResult[] = [];
	readonly #skipped: SkippedAttack[] = [];
	#labelDecoder: Real | undefined;
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
		const { attacker, victims } = parts.parts;
		const { mean, classMean } = anchorSamples(attacker, victims.labels);
		this.#mean = mean;
		this.#classMean = classMean;
		this.#scenes = scenes;
	}

	static async open(parts: AuditParts): Promise<OpenAudit> {
		const { options, target, undefended, random, reference } = parts;
		const { runtime, threads = 1, budget, signal } = options;
		const originals = allOf(parts.parts.victims);
		const earlier: Releases[] = [];
		for (const [round, artifact] of (options.earlier ?? []).entries()) {
			await using network = await AuditTarget.load(artifact, { runtime, threads, wire: options.wire });
			const inTraining = random.fork(`release ${round}`);
			earlier.push(await releasesOf(network, parts.parts, { inTraining, signal }));
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

	/** Makes the anchor that a decoder with nothing but the labels is, where a trained decoder was among the attacks. */
	async anchorByLabels(): Promise<void> {
		if (!this.#found.some(({ result: { name } }) => name.startsWith("decoder"))) return;
		const { onEvent } = this.#in.options;
		const onProgress = (share: number) => onEvent?.({ type: "progress", what: "label-only decoder", share });
		const { labels } = this.#in.parts.victims;
		this.#labelDecoder = await labelDecoder({ ...this.#scenes.undefended, onProgress }, labels);
	}

	async result(): Promise<AuditResult> {
		const { options, parts, target, reference } = this.#in;
		const meanSample = await this.#measure(this.#mean);
		const classMeanSample = await this.#measure(this.#classMean);
		const label = this.#labelDecoder && (await this.#measure(this.#labelDecoder));
		const judged = judgeAttacks(this.#found, {
			mean: meanSample.each,
			classMean: classMeanSample.each,
			labelDecoder: label?.each,
		});
		const { reconstructions, anchorsOf, worst } = judged;
		const values = elementCount(target.manifest.smashedShape);
		const { recognised } = (await this.#measure(this.#originals)).figures;
		return {
			complete: this.#found.length + this.#inferences.length + this.#skipped.length === options.attacks.length,
			leak: worst.leak?.leak ?? Number.NaN,
			leakBeyondLabel: worst.leakBeyondLabel?.leakBeyondLabel ?? Number.NaN,
			leakBeyondLabelDecoder: worst.leakBeyondLabelDecoder?.leakBeyondLabelDecoder ?? Number.NaN,
			worst: worstNames(judged),
			similarity: similarityKind(target.manifest.inputShape),
			anchors: anchorsOf(
				reconstructions.reduce((most, { victims }) => Math.max(most, victims), 0) || parts.victims.length,
			),
			meanSample: meanSample.figures,
			classMeanSample: classMeanSample.figures,
			...(label !== undefined && { labelDecoder: label.figures }),
			...(recognised !== undefined && { recognisedOriginals: recognised }),
			reconstructions,
			inferences: this.#inferences,
			skipped: this.#skipped,
			victims: parts.victims.length,
			attackerSamples: parts.attacker.length,
			attackerSet: parts.attackerSet,
			victimLabels: parts.victims.subset(Array.from({ length: Math.min(shown, parts.victims.length) }, (_, i) => i))
				.labels,
			release: { values, bits: target.releaseBits },
			...(await this.#utility()),
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
		const why = hindrance(attack, [this.#in.target, this.#in.undefended]);
		if (why !== undefined) {
			const skipped = { name, why };
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
		const { options, parts: data } = this.#in;
		const { runtime, threads = 1, signal } = options;
		const scene = { ...this.#scenes, data, originals: this.#originals, runtime, threads, signal };
		const result = await infer(name, scene);
		this.#inferences.push(result);
		options.onEvent?.({ type: "finished", result });
	}

	/** How well both networks decide on the test part, where they have both halves. */
	async #utility(): Promise<Pick<AuditResult, "utility">> {
		const { target, options, parts } = this.#in;
		if (target.manifest.part !== "joint") return {};
		const { judged } = parts;
		const balanced = async (network: Recogniser) =>
			metricsOn(judged, (await network.look(allOf(judged))).scores).balancedAccuracy;
		await using own = await Recogniser.load(target.artifact, options.runtime, options.threads);
		const free = this.#recogniser === undefined ? undefined : await balanced(this.#recogniser);
		const utility = { samples: judged.length, balancedAccuracy: await balanced(own) };
		return { utility: free === undefined ? utility : { ...utility, undefended: free } };
	}

	async #measure(rebuilt: Real): Promise<Measured> {
		const originals = rows(this.#originals, 0, rebuilt.dims[0] as number);
		const { mse, psnr, similarity, each } = await this.#quality.measure(originals, rebuilt);
		const signals =
			originals.dims.length === 3 &&
			signalFigures(originals, rebuilt, rows(this.#classMean, 0, rebuilt.dims[0] as number));
		const alike = { mse, psnr, similarity, ...signals };
		if (this.#recogniser === undefined) return { figures: alike, each };
		const [a, b] = [await this.#recogniser.look(originals), await this.#recogniser.look(rebuilt)];
		const { labels } = this.#in.parts.victims;
		const right = b.decisions.reduce((sum, decision, n) => sum + (decision === labels[n] ? 1 : 0), 0);
		const figures = { ...alike, perceptualDistance: perceptualDistance(a, b) };
		return { figures: { ...figures, recognised: right / b.decisions.length }, each };
	}
}
