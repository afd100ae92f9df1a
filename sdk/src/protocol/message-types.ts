import type { AggregatorMessageType } from "./aggregator-messages.js";
import type { DeviceMessageType } from "./device-messages.js";

/** What a device sends. */
export const deviceMessageTypes = [
	"hello",
	"batch",
	"evaluate",
	"codes",
	"forward",
	"backward",
	"figures",
	"weights",
	"infer",
	"resume",
	"health",
	"reported",
	"bye",
] as const satisfies readonly DeviceMessageType[];

/** What the aggregator sends. */
export const aggregatorMessageTypes = [
	"welcome",
	"artifact",
	"round",
	"gradient",
	"features",
	"credit",
	"scores",
	"received",
	"desired",
	"refused",
	"end",
] as const satisfies readonly AggregatorMessageType[];
