import type { Broker, BrokerEvent } from "../broker/broker.js";
import type { Output } from "./output.js";

/**
 * Tells where a broker listens.
 * @param round the one it goes on after
 */
export function announceBroker(output: Output, broker: Omit<Broker, "log">, round = 0): void {
	const { url, host, port, webSocketUrl } = broker;
	const forBrowsers = webSocketUrl === undefined ? "" : `, for browsers ${webSocketUrl}`;
	output.event(
		"listening",
		{ url, host, port, round, webSocketUrl },
		`Broker listens on ${host}, port ${port}${forBrowsers}${round > 0 ? `; going on after round ${round}` : ""}`,
	);
}

/** Tells what happened at a broker; whoever was refused with the reason. */
export function showBrokerEvent(output: Output, event: BrokerEvent): void {
	if (event.type !== "refused") {
		output.event(event.type, event);
		return;
	}
	const { client, peer, error } = event;
	output.event("connection-refused", { client, peer, what: error.message }, `${client ?? peer}: ${error.message}`);
}
