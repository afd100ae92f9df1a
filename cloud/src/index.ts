export { type Broker, type BrokerEvent, type BrokerOptions, startBroker } from "./broker/broker.js";
export { ByteGuard, type ByteGuardOptions } from "./broker/byte-guard.js";
export { SendWindow } from "./broker/send-window.js";
export {
	isDeviceId,
	mayLeaveWill,
	maySubscribe,
	type UplinkChannel,
	uplinkChannel,
} from "./broker/topic-rules.js";
export { cloudLimits } from "./limits.js";
export { decodeEntry, encodeEntry, type PublishedEntry } from "./log/entry.js";
export type { Log, LogEntry, LogWaitOptions } from "./log/log.js";
export { createMemoryLog, type MemoryLogOptions } from "./log/memory-log.js";
