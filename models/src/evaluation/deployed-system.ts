import { type Runtime, type Session, scalar, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor } from "@psgl/sdk/artifact";
import type { RecoveryGradient } from "../blocks/recovery-gradient.js";
import { type AttackLoss, attackGradientGraph, attackJsmaGraph } from "../compile/attack-graphs.js";
import { modelLayout } from "../compile/compile-model.js";
import type { ModelDefinition } from "../compile/model-definition.js";
import { encodeModel } from "../onnx/write.js";

type Vector = Tensor<"float32">;

/** What the device makes of a picture. */
export interface DeviceOutput {
	readonly smashed: Vector;
	/** The map it added; undefined where the model has none. */
	readonly map: Vector | undefined;
}

/**
 * A trained system as it is deployed, device and aggregator in one process: scores of every stream
 * and of the decision, and, for an attacker who knows everything, gradients through all of it.
 */
export class DeployedSystem implements AsyncDisposable {
	/** Rows of the scores: the streams, then `fused`. */
	readonly rows: readonly string[];
	readonly classes: number;
	/** How gradients can be taken through the recovery; more than one where that makes a difference. */
	readonly gradientForms: readonly RecoveryGradient[];
	readonly #artifact: Artifact;
	readonly #clientInfer: Session;
	readonly #serverInfer: Session;
	/** What the device makes of features; undefined where it has no tail. */
	readonly #clientDecide: Session | undefined;
	readonly #gradients: ReadonlyMap<string, Session>;
	readonly #jsma: readonly Session[];

	private constructor(
		artifact: Artifact,
		forms: readonly RecoveryGradient[],
		sessions: {
			client: Session;
			server: Session;
			decide: Session | undefined;
			gradients: ReadonlyMap<string, Session>;
			jsma: readonly Session[];
		},
	) {
		this.#artifact = artifact;
		this.rows = [...artifact.manifest.streams, "fused"];
		this.classes = artifact.manifest.classes.length;
		this.gradientForms = forms;
		this.#clientInfer = sessions.client;
		this.#serverInfer = sessions.server;
		this.#clientDecide = sessions.decide;
		this.#gradients = sessions.gradients;
		this.#jsma = sessions.jsma;
	}

	/** `definition` must be the one `artifact` was compiled from. */
	static async load(
		artifact: Artifact,
		definition: ModelDefinition,
		runtime: Runtime,
		threads = 1,
	): Promise<DeployedSystem> {
		const layout = modelLayout(definition);
		const spectral = definition.recovery.kind === "svt" || definition.recovery.kind === "rpca";
		const forms: readonly RecoveryGradient[] = spectral ? ["exact", "straight-through"] : ["straight-through"];
		const load = (bytes: Uint8Array) => runtime.load(bytes, { threads });
		const gradients = new Map<string, Session>();
		for (const form of forms) {
			for (const loss of ["fused", "sum"] as const) {
				const graph = attackGradientGraph(definition, layout, form, loss);
				gradients.set(`${form} ${loss}`, await load(encodeModel(graph)));
			}
		}
		return new DeployedSystem(artifact, forms, {
			client: await load(artifactGraph(artifact, "client/infer")),
			server: await load(artifactGraph(artifact, "server/infer")),
			decide: definition.tail === null ? undefined : await load(artifactGraph(artifact, "client/decide")),
			gradients,
			jsma: await Promise.all(forms.map((form) => load(encodeModel(attackJsmaGraph(definition, layout, form))))),
		});
	}

	/** The device's part; `withMap` false leaves its own map away (the budget is zero). */
	async device(x: Vector, withMap = true): Promise<DeviceOutput> {
		const budget = withMap ? (this.#artifact.manifest.map?.budget ?? 0) : 0;
		const out = await this.#clientInfer.run({
			x,
			params: artifactTensor(this.#artifact, "client/params"),
			stats: artifactTensor(this.#artifact, "client/stats"),
			head: artifactTensor(this.#artifact, "client/head"),
			budget: scalar(budget),
		});
		return { smashed: out.smashed as Vector, map: out.map as Vector | undefined };
	}

	/** The aggregator's part, and the tail's where the device has one: probabilities [B,rows,K]. */
	async aggregator(smashed: Vector): Promise<Vector> {
		const out = await this.#serverInfer.run({
			smashed,
			params: artifactTensor(this.#artifact, "server/params"),
			stats: artifactTensor(this.#artifact, "server/stats"),
		});
		return this.decided(out);
	}

	/** Probabilities [B,rows,K] in what a graph of the aggregator puts out, or that the device's tail makes of its features. */
	async decided({ scores, features }: Readonly<Record<string, Tensor>>): Promise<Vector> {
		if (this.#clientDecide === undefined) return scores as Vector;
		const params = artifactTensor(this.#artifact, "client/params");
		return (await this.#clientDecide.run({ features: features as Vector, params })).scores as Vector;
	}

	/** Probabilities [B,rows,K] of pictures [B,C,...] as deployed. */
	async scores(x: Vector, withMap = true): Promise<Vector> {
		return this.aggregator((await this.device(x, withMap)).smashed);
	}

	/** Gradient of a loss of the whole system with respect to the picture, the device's map held constant. */
	async lossGradient(
		x: Vector,
		map: Vector | undefined,
		y: Tensor<"int64">,
		loss: AttackLoss,
		form: RecoveryGradient,
	): Promise<Vector> {
		const session = this.#gradients.get(`${form} ${loss}`) as Session;
		return (await session.run({ ...this.#attackFeeds(x, map), y })).gradient as Vector;
	}

	/** Saliency map of the whole system's decision, scaled to the L-inf budget. */
	async jsmaPerturbation(x: Vector, map: Vector | undefined, budget: number, form: RecoveryGradient): Promise<Vector> {
		const session = this.#jsma[this.gradientForms.indexOf(form)] as Session;
		const out = await session.run({ ...this.#attackFeeds(x, map), budget: scalar(budget) });
		return out.perturbation as Vector;
	}

	async close(): Promise<void> {
		const decide = this.#clientDecide === undefined ? [] : [this.#clientDecide];
		const sessions = [this.#clientInfer, this.#serverInfer, ...decide, ...this.#gradients.values(), ...this.#jsma];
		await Promise.all(sessions.map((s) => s.close()));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#attackFeeds(x: Vector, map: Vector | undefined): Record<string, Tensor> {
		return {
			x,
			...(map === undefined ? {} : { map }),
			params: artifactTensor(this.#artifact, "client/params"),
			stats: artifactTensor(this.#artifact, "client/stats"),
			serverParams: artifactTensor(this.#artifact, "server/params"),
			serverStats: artifactTensor(this.#artifact, "server/stats"),
		};
	}
}
