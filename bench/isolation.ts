import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
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
/** Longer than a device that takes nothing may stay, which is 30 s. */
const frozenPhaseMs = 35_000;

const roles: Readonly<Record<string, (port: number) => Promise<void>>> = { broker, flooding, frozen };

/** The broker, which sends without end to a device named frozen, and tells how long attackers stayed. */
async function broker(): Promise<void> {
	const log = createMemoryLog();
	const cameMs = new Map<string, number>();
	const server = await startBroker({
		port: 0,
		log,
		onEvent(event) {
			if (event.type === "refused") process.send?.({ refused: event.error.code });
			if (event.type === "connected" && roles[event.client] !== undefined) {
				cameMs.set(event.client, performance.now());
				if (event.client === "frozen") void sendTo("frozen");
			}
			const came = event.type === "disconnected" ? cameMs.get(event.client) : undefined;
			if (came !== undefined) process.send?.({ left: event.client, stayedMs: performance.now() - came });
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
		// Thrown out, a socket may say so with an error, which `once` would throw.
		await new Promise((resolve) => socket.once("close", resolve));
	}
}

/** Subscribes and reads nothing from then on, not even that it was thrown out: it is told, and comes back. */
async function frozen(port: number): Promise<void> {
	for (;;) {
		const socket = connect({ port, host: "127.0.0.1" });
		socket.on("error", () => undefined);
		socket.write(hello("frozen"));
		const subscriptions = [{ topic: "psgl/1/frozen/down", qos: 1 as const }];
		socket.write(mqttPacket.generate({ cmd: "subscribe", messageId: 1, subscriptions }));
		await once(socket, "data");
		socket.pause();
		await once(process, "message");
		socket.destroy();
	}
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
	const stays: number[] = [];
	let attacker: { readonly role: string; readonly process: ChildProcess } | undefined;
	const port = await new Promise<number>((resolve) => {
		server.on("message", (message: { port?: number; refused?: string; left?: string; stayedMs?: number }) => {
			if (message.port !== undefined) resolve(message.port);
			if (message.refused !== undefined) refused.set(message.refused, (refused.get(message.refused) ?? 0) + 1);
			if (message.stayedMs === undefined || attacker?.role !== message.left) return;
			stays.push(message.stayedMs);
			attacker?.process.send("thrown out");
		});
	});
	const ids = Array.from({ length: devices }, (_, i) => `ward-${i}`);
	const clients = await Promise.all(
		ids.map((clientId) => mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId, clean: false })),
	);
	await measure(clients);
	for (const phase of ["undisturbed", "flooding", "frozen", "undisturbed again"]) {
		refused.clear();
		stays.length = 0;
		const own = roles[phase] === undefined ? undefined : { role: phase, process: start(phase, port) };
		attacker = own;
		const delays = await measure(clients, phase === "frozen" ? frozenPhaseMs : phaseMs);
		attacker = undefined;
		own?.process.kill();
		const [median, p99] = [at(delays, 0.5).toFixed(1), at(delays, 0.99).toFixed(1)];
		const longest = stays.length === 0 ? "" : `, after ${(Math.max(...stays) / 1000).toFixed(1)} s at most`;
		const left = own && `; thrown out ${stays.length} times${longest} (30 s are allowed)`;
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
