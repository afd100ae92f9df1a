import type { KeptMessage } from "@psgl/sdk/store";
import type { Calibration } from "../scenario/scenario.js";
import type { EventQueue } from "./event-queue.js";
import type { FleetRecorder } from "./fleet-recorder.js";
import type { MessageSizes, VirtualCloud } from "./virtual-cloud.js";

/** Messages that a device in virtual time keeps until they have their answer. */
export type KeptKind = "batch" | "evaluate" | "weights";

/** What the devices of a simulation share. */
export interface VirtualWorld {
	readonly queue: EventQueue;
	readonly cloud: VirtualCloud;
	readonly sizes: MessageSizes;
	readonly calibration: Calibration;
	/** Samples of a batch. */
	readonly batchSize: number;
	readonly recorder: FleetRecorder;
	/** A real message of such a kind and size, for the outbox to count; its tensors are shared by all devices. */
	keptMessage(kind: KeptKind, device: string, epoch: number, seq: number, samples: number): KeptMessage;
}
