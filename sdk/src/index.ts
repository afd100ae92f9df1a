export type { ResourceBudget } from "./budget/resource-budget.js";
export { clearVanished } from "./clear-vanished.js";
export { dataType, dtypeOf } from "./data-type.js";
export { activationLimits } from "./device/activation-store.js";
export { deviceLastWill } from "./device/aggregator-link.js";
export { batchesPerPass } from "./device/batches.js";
export { ClientSegment, type ForwardPass } from "./device/client-segment.js";
export { ClientSegmentCache, type ClientSegmentCacheOptions } from "./device/client-segment-cache.js";
export { ClientState } from "./device/client-state.js";
export { Device, type TrainOptions } from "./device/device.js";
export type { DeviceData } from "./device/device-data.js";
export type { DeviceEvent } from "./device/device-event.js";
export type { DeviceOptions } from "./device/device-options.js";
export { deviceTimes } from "./device/device-times.js";
export { dropoutSeed } from "./device/dropout-seed.js";
export { GradientScrutiny, type ScrutinyVerdict, scrutinyLimits } from "./device/gradient-scrutiny.js";
export type { Decision, InferOptions } from "./device/inference.js";
export type { LocalAccuracy } from "./device/local-trust.js";
export type { ModelReport } from "./device/model-report.js";
export { PerturbationStore, type PerturbationStoreOptions } from "./device/perturbation-store.js";
export type { Preview } from "./device/preview.js";
export type { Source } from "./device/source.js";
export { type CompleteKit, parseStartUpKit, type StartUpKit } from "./device/start-up-kit.js";
export { figureLimits } from "./device/tail-validation.js";
export {
	ArtifactError,
	ConfigError,
	ConnectionError,
	DataError,
	type ErrorParts,
	LimitError,
	NumericError,
	ProtocolError,
	PsglError,
	ShapeError,
} from "./errors.js";
export { type Clock, systemClock } from "./ports/clock.js";
export type { DeviceStore, StoreChange } from "./ports/device-store.js";
export type { Host } from "./ports/host.js";
export { type Random, seededRandom } from "./ports/random.js";
export { type Runtime, type Session, type SessionOptions, type Tensors, withThreads } from "./ports/runtime.js";
export type {
	LastWill,
	MessageHandler,
	PublishOptions,
	Transport,
	TransportEvent,
	TransportMessage,
	WaitOptions,
} from "./ports/transport.js";
export { type VectorPart, vectorPart, vectorPartName } from "./ports/vector-part.js";
export { SpareTensors, spareLimits } from "./spare-tensors.js";
export {
	bytesPerElement,
	type DType,
	elementCount,
	labelTensor,
	scalar,
	type Tensor,
	type TensorData,
	tensor,
	tensorBytes,
	tensorFromBytes,
	zeros,
} from "./tensor.js";
export { backOffMs } from "./transport/back-off.js";
