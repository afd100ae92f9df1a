import type { Random, Runtime, Tensor } from "@psgl/sdk";
import type { AuditBudget } from "./audit-budget.js";
import type { AuditTarget } from "./audit-target.js";
import type { VictimDevice } from "./victim-device.js";

type Real = Tensor<"float32">;

/** Smashed data of the attacker's samples [N,Cs,...] and of the victims [V,Cs,...] under one version of the weights. */
export interface Releases {
	readonly pairs: Real;
	readonly seen: Real;
}

/** What an attacker has in hand, and what bounds its work. */
export interface AttackScene {
	readonly target: AuditTarget;
	/** [N, ...inputShape]: samples of its own, none of them a victim. */
	readonly samples: Real;
	/** [N]: their classes. */
	readonly labels: Int32Array;
	/** [N,Cs,...]: what the device makes of `samples`, defence included. */
	readonly pairs: Real;
	/** [V,Cs,...]: what the victims' device sent. */
	readonly seen: Real;
	/** The victims' device in training. */
	readonly device: VictimDevice;
	/** The same of earlier versions of the client half, oldest first: what training sent before. */
	readonly earlier: readonly Releases[];
	readonly budget: AuditBudget;
	readonly runtime: Runtime;
	readonly threads: number;
	readonly random: Random;
	readonly signal?: AbortSignal | undefined;
	/** Called with the share of the attack that is done, in [0,1]. */
	readonly onProgress?: ((share: number) => void) | undefined;
}

/** Rebuilds the victims [V', ...inputShape], in [0,1]; fewer than were seen where each costs an optimisation of its own. */
export type Reconstruction = (scene: AttackScene) => Promise<Real>;
