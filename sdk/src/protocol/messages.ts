import type { AggregatorMessage } from "./aggregator-messages.js";
import type { DeviceMessage } from "./device-messages.js";
import type { Addressed, DisclosureTotals } from "./message-fields.js";

/** Why a device does not train at the moment. */
export type PauseReason = "temperature" | "battery" | "hours" | "storage";

/** Retained on the status topic; the offline one is the last will. */
export interface StatusMessage extends Addressed {
	readonly type: "status";
	readonly state: "online" | "offline";
	/** Milliseconds since the Unix epoch. In a last will: when the lost connection was opened. */
	readonly since: number;
	/** Absent on a device without a ledger, and in a last will. */
	readonly disclosure?: DisclosureTotals | undefined;
	/** Why the device does not train at the moment; absent while it may. */
	readonly paused?: readonly PauseReason[] | undefined;
	/** What the local head got right of the samples of the validation that just ended: a share, and of how many. */
	readonly localAccuracy?: { readonly accuracy: number; readonly samples: number } | undefined;
}

export type Message = DeviceMessage | AggregatorMessage | StatusMessage;

export type MessageType = Message["type"];
