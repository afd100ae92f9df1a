export { slotLimits } from "../device/model-slots.js";
export { type KeptMessage, Outbox, type OutboxEntry, outboxLimits } from "../device/outbox.js";
export { openDeviceStore } from "./level-store.js";
export { type MemoryRecords, memoryDeviceStore } from "./memory-store.js";
