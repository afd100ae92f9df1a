import type { Transport } from "../ports/transport.js";
import { deviceLastWill } from "./aggregator-link.js";
import type { CompleteOptions } from "./complete-options.js";
import type { DeviceSettings } from "./device-options.js";

/** The given transport, or one over MQTT, whose library is loaded only then. */
export async function openTransport(
	{ transport, url, kit, connectDeadlineMs }: CompleteOptions,
	settings: DeviceSettings,
): Promise<Transport> {
	if (transport !== undefined) return transport;
	const { id, clock, random } = settings;
	const { mqttTransport } = await import("../transport/mqtt.js");
	const lastWill = deviceLastWill(id, clock);
	return mqttTransport({
		url: kit?.url ?? url ?? "",
		tls: kit && { ca: kit.authority, cert: kit.certificate, key: kit.key },
		clientId: id,
		lastWill,
		clock,
		random: random.fork("transport"),
		connectDeadlineMs,
	});
}
