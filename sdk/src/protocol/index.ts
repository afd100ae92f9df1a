export type {
	AggregatorMessage,
	AggregatorMessageType,
	ArtifactMessage,
	CreditMessage,
	DesiredMessage,
	EndMessage,
	FeaturesMessage,
	GradientMessage,
	ReceivedMessage,
	RefusedMessage,
	RoundMessage,
	ScoresMessage,
	Strategy,
	WelcomeMessage,
} from "./aggregator-messages.js";
export { checksum } from "./checksum.js";
export {
	ChunkAssembler,
	type ChunkAssemblerOptions,
	type Expired,
	type MessagesFrom,
	type Received,
} from "./chunk-assembler.js";
export { splitIntoChunks } from "./chunks.js";
export { deflateBody, inflateBody } from "./deflate.js";
export type {
	Awaiting,
	BackwardMessage,
	BatchMessage,
	ByeMessage,
	CodesMessage,
	DeviceMessage,
	DeviceMessageType,
	EvaluateMessage,
	FiguresMessage,
	ForwardMessage,
	HealthMessage,
	HelloMessage,
	InferMessage,
	ReportedMessage,
	ResumeMessage,
	WeightsMessage,
} from "./device-messages.js";
export { decodeEnvelope, encodeEnvelope } from "./envelope.js";
export { mayOverflow, requireFinite } from "./finite.js";
export type { ByteRange, TensorDescriptor } from "./headers.js";
export { identify, type MessageIdentity } from "./identity.js";
export {
	creditVersion,
	defaultReceiveLimits,
	labelsOnDeviceVersion,
	protocolLimits,
	protocolVersion,
	protocolVersions,
	type ReceiveLimits,
	twinVersion,
} from "./limits.js";
export { maskFromMissing } from "./mask.js";
export type { DisclosureTotals, TwinValue } from "./message-fields.js";
export type { Message, MessageType, PauseReason, StatusMessage } from "./messages.js";
export { PartialBudget, type PartialHolder } from "./partial-budget.js";
export { refusalError, refuse } from "./refusal.js";
export { areShort, shortWeights } from "./short-weights.js";
export {
	type ClientWeights,
	type CodeTensor,
	type FlatTensor,
	graphValues,
	type LabelTensor,
	type WireDType,
	type WireTensor,
	wireBytes,
	wireDTypes,
} from "./tensors.js";
export { type Channel, channels, deviceIdPattern, deviceTopic, everyDevice, parseTopic } from "./topics.js";
