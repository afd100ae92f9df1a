import type { DecisionMetrics } from "@psgl/models";
import type { HealthMessage, PauseReason } from "@psgl/sdk/protocol";
import type { RolloutCause, RolloutStatus } from "../rollout/rollout-status.js";
import type { LedgerCounts } from "./ledger.js";

/** Payload bytes by what they were for. */
export interface Traffic {
	/** From devices: all, and of these the training batches. */
	readonly bytesUp: number;
	readonly batchBytesUp: number;
	/** To devices: all, and of these the gradients. */
	readonly bytesDown: number;
	readonly gradientBytesDown: number;
}

/** Validation of a round: metrics of each stream and, as `fused`, of the decision. */
export type Validation = Readonly<Record<string, DecisionMetrics>>;

/** One finished round. */
export interface RoundReport {
	readonly round: number;
	readonly rounds: number;
	/** Mean cross-entropy of each stream over the round's server steps; NaN without one. */
	readonly losses: Readonly<Record<string, number>>;
	/** Mean cross-entropy of the local heads, weighted by samples; NaN when none was told. */
	readonly localLoss: number;
	/** Absent when no device validated. */
	readonly validation?: Validation | undefined;
	/** Whether this is the best validation so far. */
	readonly best: boolean;
	readonly learningRate: number;
	/** Version of the weights after the round. */
	readonly model: number;
	/** Batches applied in the round. */
	readonly steps: number;
	/** Batches applied for each second of the round's training. */
	readonly stepsPerSecond: number;
	/** Samples trained on in the round. */
	readonly samples: number;
	/** Since the aggregator started. */
	readonly traffic: Traffic;
	readonly devicesOnline: number;
	/** Devices whose weights are in the average. */
	readonly devicesTrained: number;
	/** Since the aggregator started. */
	readonly counts: LedgerCounts;
	readonly seconds: number;
}

/** What the aggregator tells while it works. */
export type AggregatorEvent =
	| {
			readonly type: "device";
			readonly device: string;
			readonly state: "joined" | "online" | "offline" | "left";
			readonly devicesOnline: number;
	  }
	/** A device's budget does not let it train at the moment, or does again: then there are no reasons. */
	| { readonly type: "device-paused"; readonly device: string; readonly reasons: readonly PauseReason[] }
	/** A device told what of its twin is in force, and why other settings are not. */
	| {
			readonly type: "twin";
			readonly device: string;
			readonly version: number;
			readonly errors: Readonly<Record<string, string>>;
	  }
	/** A device got the client half of the model. `digest` is its SHA-256 in hex. */
	| { readonly type: "artifact-sent"; readonly device: string; readonly version: number; readonly digest: string }
	/**
	 * Training goes on from a checkpoint, `damaged` newer ones could not be used. With another engine, version or number of threads than wrote it, the weights are
	 * no longer the same to the last bit as without the interruption.
	 */
	| { readonly type: "resumed"; readonly round: number; readonly sameRuntime: boolean; readonly damaged: number }
	/** A round was done again as the log tells it. `identical`: with the same weights to the last bit. */
	| { readonly type: "replayed"; readonly round: number; readonly digest: string; readonly identical: boolean }
	/** Training waits for devices. */
	| { readonly type: "waiting"; readonly devices: number; readonly needed: number }
	| { readonly type: "round-started"; readonly round: number; readonly rounds: number; readonly devices: number }
	/** One server step. Dropped first when a reader is slow. */
	| {
			readonly type: "step";
			readonly round: number;
			/** Server steps in this round so far. */
			readonly step: number;
			readonly devices: readonly string[];
			/** Cross-entropy of each stream. */
			readonly losses: readonly number[];
	  }
	/** A device did not answer in time; the round goes on without it. */
	| { readonly type: "left-behind"; readonly round: number; readonly device: string }
	/** A device that was left behind is part of the round again. */
	| { readonly type: "taken-back"; readonly round: number; readonly device: string }
	/** What became of a model on a device. `artifact` is the client half's SHA-256 in hex. */
	| {
			readonly type: "model-health";
			readonly device: string;
			readonly artifact: string;
			readonly state: HealthMessage["state"];
			readonly code: string | undefined;
			readonly reason: string | undefined;
	  }
	/** After a leg the segments became one with those of these partitions, own included. */
	| { readonly type: "merged"; readonly epoch: number; readonly partitions: readonly number[] }
	/** A staged roll-out changed: by an order, by what a device told, or by itself as too many devices failed. */
	| {
			readonly type: "rollout";
			readonly cause: RolloutCause;
			readonly phase: RolloutStatus["phase"];
			/** SHA-256 (hex) of its client half. */
			readonly candidate: string | undefined;
			readonly percentage: number;
			readonly devices: RolloutStatus["devices"];
			/** Why it was rolled back. */
			readonly reason: string | undefined;
			/** Why the change could not be written down. */
			readonly code?: string | undefined;
			readonly problem?: string | undefined;
	  }
	/** The outlier guard left a device's weights out of the average, or a batch of its smashed data out of training. */
	| {
			readonly type: "outlier";
			readonly of: "weights" | "batch";
			readonly round: number;
			readonly device: string;
			readonly reason: string;
	  }
	/** A message of a device was refused. */
	| { readonly type: "refused"; readonly device: string; readonly code: string; readonly reason: string }
	| ({ readonly type: "round" } & RoundReport)
	| { readonly type: "checkpoint"; readonly file: string; readonly round: number }
	/** A checkpoint could not be written: training goes on. Told once, until one can be written again. */
	| { readonly type: "checkpoint-failed"; readonly round: number; readonly code: string; readonly reason: string }
	| { readonly type: "end"; readonly reason: EndReason; readonly round: number };

/** Why training ended. */
export type EndReason = "finished" | "early-stop" | "stopped";
