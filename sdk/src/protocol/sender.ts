import { ProtocolError } from "../errors.js";
import type { Header } from "./headers.js";
import { aggregatorMessageTypes, deviceMessageTypes } from "./message-types.js";

const types = { device: deviceMessageTypes, aggregator: aggregatorMessageTypes } as const;

/**
 * Checks that a message is one its sender may send, on the topic of the device it names: the broker guards topics,
 * so a device cannot speak for another one.
 * @throws ProtocolError `PSGL_PROTOCOL_SENDER`.
 */
export function checkSender(header: Header, from: keyof typeof types, device: string): void {
	const allowed: readonly string[] = types[from];
	if (allowed.includes(header.type) && header.device === device) return;
	throw new ProtocolError("PSGL_PROTOCOL_SENDER", {
		what: "a message does not belong on the topic it came on",
		got: `${header.type} of device ${header.device}`,
		expected: `${allowed.join(", ")} of device ${device}`,
		remedy: "Publish on the topic of the device that the header names",
	});
}
