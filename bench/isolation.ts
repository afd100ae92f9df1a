import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { createMemoryLog, startBroker } from "@psgl/cloud";
import mqtt from "mqtt";
import mqttPacket from "mqtt-packet";

/**
 * `node build/bench/isolation.js`: how long the others wait for their acknowledgements while one device floods the broker, or
 * takes nothing of what it is sent, beside the same without it, in one run.
 */

const devices = 20;
const publishEveryMs = 100;
const payloadBytes = 16_384;
const phaseMs = 10_000;
/** As long as a device that takes nothing may stay. */
const frozenPhaseMs = 30_000;

const roles: Readonly<Record<string, (port: number) => Promise<void>>> = { broker, flooding, frozen };

/** The broker, which sends without end to a device named frozen. */
async function broker(): Promise<void> {
	const log = createMemoryLog();
	const server = await startBroker({
		port: 0,
		log,
		onEvent(event) {
			if (event.type === "refused") process.send?.({ refused: event.error.code });
			if (event.type === "connected" && event.client === "frozen") void sendTo("frozen");
		},
	});
	const sendTo = async (device: string) => {
		while (await server.send(device, new Uint8Array(500_000)));
	};
	process.send?.({ port: server.port });
	for await (const { position } of log.read(0)) log.release(position + 1);
}

/** Sends messages as fast as the socket takes them, and comes back when it is thrown out. */
async function flooding(port: number): Promise<void> {
	for (;;) {
		const socket = connect({ port, host: "127.0.0.1" });
		socket.on("error", () => undefined);
		socket.resume();
		socket.write(hello("flooding"));
		const message = mqttPacket.generate({
			cmd: "publish",
			topic: "psgl/1/flooding/up",
			payload: Buffer.alloc(64),
			qos: 1,
			messageId: 1,
			dup: false,
			retain: false,
		});
		const many = Buffer.concat(Array.from({ length: 100 }, () => message));
		const pump = () => {
			while (socket.writable && socket.write(many));
		};
		socket.on("drain", pump);
		pump();
		await gone(socket);
	}
}

/** Subscribes and reads nothing from then on. */
async function frozen(port: number): Promise<void> {
	for (;;) {
		const socket = connect({ port, host: "127.0.0.1" });
		socket.on("error", () => undefined);
		socket.write(hello("frozen"));
		const subscriptions = [{ topic: "psgl/1/frozen/down", qos: 1 as const }];
		socket.write(mqttPacket.generate({ cmd: "subscribe", messageId: 1, subscriptions }));
		await once(socket, "data");
		socket.pause();
		await gone(socket);
	}
}

/** Waits until the broker has thrown it out, and tells after how long. */
async function gone(socket: Socket): Promise<void> {
	const sinceMs = performance.now();
	// Thrown out, a socket may say so with an error, which `once` would throw.
	await new Promise((resolve) => socket.once("close", resolve));
	process.send?.({ goneAfterMs: performance.now() - sinceMs });
}

function hello(clientId: string): Buffer {
	return mqttPacket.generate({
		cmd: "connect",
		protocolId: "MQTT",
		protocolVersion: 4,
		clientId,
		clean: true,
		keepalive: 0,
	});
}

function start(role: string, port = 0): ChildProcess {
	return fork(fileURLToPath(import.meta.url), [role, String(port)]);
}

/** Milliseconds from sending to acknowledgement of every message of a phase. */
async function measure(clients: readonly mqtt.MqttClient[], ms = phaseMs): Promise<number[]> {
	const delays: number[] = [];
	const until = performance.now() + ms;
	await Promise.all(
		clients.map(async (client, i) => {
			await new Promise((resolve) => setTimeout(resolve, (i * publishEveryMs) / devices));
			while (performance.now() < until) {
				const sentMs = performance.now();
				await client.publishAsync(`psgl/1/ward-${i}/up`, Buffer.alloc(payloadBytes), { qos: 1 });
				const waited = performance.now() - sentMs;
				delays.push(waited);
				await new Promise((resolve) => setTimeout(resolve, Math.max(0, publishEveryMs - waited)));
			}
		}),
	);
	return delays.sort((a, b) => a - b);
}

const at = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

async function compare(): Promise<void> {
	const server = start("broker");
	const refused = new Map<string, number>();
	const port = await new Promise<number>((resolve) => {
		server.on("message", (message: { port?: number; refused?: string }) => {
			if (message.port !== undefined) resolve(message.port);
			if (message.refused !== undefined) refused.set(message.refused, (refused.get(message.refused) ?? 0) + 1);
		});
	});
	const ids = Array.from({ length: devices }, (_, i) => `ward-${i}`);
	const clients = await Promise.all(
		ids.map((clientId) => mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId, clean: false })),
	);
	await measure(clients);
	for (const phase of ["undisturbed", "flooding", "frozen", "undisturbed again"]) {
		const attacker = roles[phase] === undefined ? undefined : start(phase, port);
		refused.clear();
		const stays: number[] = [];
		attacker?.on("message", ({ goneAfterMs }: { goneAfterMs: number }) => stays.push(goneAfterMs));
		const delays = await measure(clients, phase === "frozen" ? frozenPhaseMs : phaseMs);
		attacker?.kill();
		const [median, p99] = [at(delays, 0.5).toFixed(1), at(delays, 0.99).toFixed(1)];
		const left =
			attacker &&
			`; thrown out ${stays.length} times, after ${(Math.max(...stays) / 1000).toFixed(1)} s at most (30 s are allowed)`;
		const told = [...refused].map(([code, count]) => `${code} ${count}`).join(", ");
		console.log(
			`${phase}: median ${median} ms, p99 ${p99} ms, ${delays.length} messages${told && `; ${told}`}${left ?? ""}`,
		);
	}
	console.log(`${devices} devices, ${payloadBytes} bytes each ${publishEveryMs} ms; load ${loadavg()[0]?.toFixed(1)}`);
	await Promise.all(clients.map((client) => client.endAsync(true)));
	server.kill();
}

const [role, port] = process.argv.slice(2);
await (role === undefined ? compare() : (roles[role] as (port: number) => Promise<void>)(Number(port)));
