import { LimitError, ProtocolError } from "@psgl/sdk";
import type { PublishPacket } from "aedes";
import { cloudLimits as limits } from "../limits.js";
import { denied, type UplinkChannel, uplinkChannel } from "./topic-rules.js";

/**
 * The channel a client may publish a packet on. Nothing but a status is retained.
 * @throws ProtocolError `PSGL_BROKER_DENIED`, `PSGL_BROKER_QOS`; LimitError `PSGL_BROKER_STATUS_TOO_LARGE`.
 */
export function publishChannel(client: string, packet: PublishPacket): UplinkChannel {
	const channel = uplinkChannel(client, packet.topic);
	if (channel === undefined) throw denied(client, "publish on", packet.topic);
	if (packet.qos !== 1) {
		throw new ProtocolError("PSGL_BROKER_QOS", {
			what: `client ${client} published at another quality of service`,
			got: `QoS ${packet.qos}`,
			expected: "QoS 1",
			remedy: "Publish at QoS 1; see docs/protocol.md",
		});
	}
	if (channel === "up") packet.retain = false;
	else if (packet.payload.length > limits.maxStatusBytes) {
		throw new LimitError("PSGL_BROKER_STATUS_TOO_LARGE", {
			what: `client ${client} published a status that is too long`,
			got: `${packet.payload.length} bytes`,
			expected: `at most ${limits.maxStatusBytes} bytes`,
		});
	}
	return channel;
}
