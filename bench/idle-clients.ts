/** Devices that connect, say hello and then do nothing but wait, as bare sockets in a process of their own: `PORT COUNT`. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { deviceLastWill, systemClock } from "@psgl/sdk";
import { deviceTopic, encodeEnvelope, protocolVersions, wireDTypes } from "@psgl/sdk/protocol";
import mqttPacket from "mqtt-packet";

/** Connections one address of this machine makes: the broker limits how many come at once. */
const perAddress = 900;
const atATime = 50;

process.on("disconnect", () => process.exit());
const [port = 0, count = 0] = process.argv.slice(2).map(Number);
const sockets: Socket[] = [];

/** Resolves when the device has its welcome. */
async function join(index: number): Promise<void> {
	const id = `idle-${index}`;
	const localAddress = `127.0.0.${2 + Math.floor(index / perAddress)}`;
	const socket = connect({ port, host: "127.0.0.1", localAddress });
	sockets.push(socket);
	const parser = mqttPacket.parser();
	socket.on("data", (bytes) => parser.parse(bytes as Buffer));
	const waiting = new Map<string, (packet: mqttPacket.Packet) => void>();
	const next = (cmd: string) => new Promise<mqttPacket.Packet>((resolve) => waiting.set(cmd, resolve));
	parser.on("packet", (packet) => {
		if (packet.cmd === "publish")
			socket.write(mqttPacket.generate({ cmd: "puback", messageId: packet.messageId as number }));
		waiting.get(packet.cmd)?.(packet);
	});
	await once(socket, "connect");
	const { topic, payload } = deviceLastWill(id, systemClock);
	const will = { topic, payload: Buffer.from(payload), qos: 1 as const, retain: true };
	const introduction = {
		cmd: "connect",
		clientId: id,
		protocolId: "MQTT",
		protocolVersion: 4,
		clean: false,
		keepalive: 3600,
		will,
	} as const;
	socket.write(mqttPacket.generate(introduction));
	await next("connack");
	const subscriptions = [{ topic: deviceTopic(id, "down"), qos: 1 as const }];
	socket.write(mqttPacket.generate({ cmd: "subscribe", messageId: 1, subscriptions }));
	await next("suback");
	const hello = encodeEnvelope({
		type: "hello",
		device: id,
		session: index,
		protocols: protocolVersions,
		samples: { train: 0, validation: 0 },
		classes: 2,
		inputShape: [1, 28, 28],
		dtypes: wireDTypes,
		maxMessageBytes: 1_000_000,
		agent: "idle",
		artifacts: [],
	});
	const welcomed = next("publish");
	socket.write(
		mqttPacket.generate({
			cmd: "publish",
			topic: deviceTopic(id, "up"),
			payload: Buffer.from(hello),
			qos: 1,
			messageId: 2,
			dup: false,
			retain: false,
		}),
	);
	await welcomed;
}

for (let from = 0; from < count; from += atATime) {
	await Promise.all(Array.from({ length: Math.min(atATime, count - from) }, (_, i) => join(from + i)));
}
process.send?.({ connected: sockets.length });
