import { type AccessRules, MqttServer, type MqttServerOptions } from "@psgl/cloud";
import { ProtocolError, type PsglError, systemClock } from "@psgl/sdk";
import type { ExecutionContext } from "ava";

/** The server under the broker, without the rules of devices: everyone may do what MQTT 3.1.1 allows. */
export async function openServer(
	t: ExecutionContext,
	rules: Partial<AccessRules> = {},
	options: Partial<Pick<MqttServerOptions, "connectTimeoutMs" | "drainTimeoutMs" | "webSocketOrigins">> = {},
) {
	const refusals: PsglError[] = [];
	let tell: () => void = () => undefined;
	const firstRefusal = new Promise<void>((resolve) => {
		tell = resolve;
	});
	const server = new MqttServer({
		rules: {
			refuseConnection: () => undefined,
			publish: async () => undefined,
			refuseSubscription: (_client, filter) => (filter === "test/nosubscribe" ? noSubscription(filter) : undefined),
			mayReceive: () => true,
			...rules,
		},
		tls: undefined,
		webSocketOrigins: undefined,
		maxConnections: 100,
		maxPacketBytes: 10_000,
		clock: systemClock,
		...options,
		onRefused: (_client, _peer, error) => {
			refusals.push(error);
			tell();
		},
		onConnected: () => undefined,
		onDisconnected: () => undefined,
		onAcknowledged: () => undefined,
	});
	await server.listen("127.0.0.1", 0, 0);
	t.teardown(() => server.close());
	return { server, port: server.listener.port, refusals, firstRefusal };
}

function noSubscription(filter: string): ProtocolError {
	return new ProtocolError("PSGL_BROKER_DENIED", { what: "nobody may subscribe to this topic", got: filter });
}
