import { connect, type Socket } from "node:net";
import type { ExecutionContext } from "ava";

/** A packet with its remaining length (MQTT 3.1.1 section 2.2). */
export function packet(firstByte: number, ...parts: readonly Uint8Array[]): Buffer {
	const body = Buffer.concat(parts);
	const length: number[] = [];
	let rest = body.length;
	for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
	return Buffer.concat([Buffer.from([firstByte, ...length, rest]), body]);
}

export const uint16 = (value: number): Buffer => Buffer.of(value >> 8, value & 255);

/** A text or bytes with its length before it (section 1.5.3). */
export function field(content: string | Uint8Array): Buffer {
	const bytes = Buffer.from(content as string);
	return Buffer.concat([uint16(bytes.length), bytes]);
}

export interface ConnectFields {
	readonly id?: string;
	readonly clean?: boolean;
	/** Seconds. */
	readonly keepAlive?: number;
	readonly will?: {
		readonly topic: string;
		readonly message: string;
		readonly qos?: number;
		readonly retain?: boolean;
	};
}

export function connectPacket({ id = "", clean = true, keepAlive = 0, will }: ConnectFields): Buffer {
	const willFlags = will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3) | (will.retain ? 0x20 : 0);
	const head = Buffer.concat([field("MQTT"), Buffer.of(4, (clean ? 2 : 0) | willFlags), uint16(keepAlive)]);
	return packet(0x10, head, field(id), ...(will ? [field(will.topic), field(will.message)] : []));
}

export interface PublishFields {
	readonly qos?: number;
	readonly retain?: boolean;
	readonly dup?: boolean;
	readonly packetId?: number;
}

export function publishPacket(
	topic: string,
	message: string,
	{ qos = 0, retain, dup, packetId = 1 }: PublishFields = {},
) {
	const flags = (qos << 1) | (retain ? 1 : 0) | (dup ? 8 : 0);
	return packet(0x30 | flags, field(topic), ...(qos > 0 ? [uint16(packetId)] : []), Buffer.from(message));
}

export const subscribePacket = (filters: readonly (readonly [filter: string, qos: number])[], packetId = 1) =>
	packet(0x82, uint16(packetId), ...filters.flatMap(([filter, qos]) => [field(filter), Buffer.of(qos)]));

export const disconnectPacket = packet(0xe0);
export const pingPacket = packet(0xc0);

/** A PUBLISH that came. */
export interface Published {
	readonly topic: string;
	readonly message: string;
	readonly qos: number;
	readonly retain: boolean;
	readonly dup: boolean;
	readonly packetId: number | undefined;
}

/** One TCP connection that speaks MQTT in bytes. */
export class RawMqtt {
	readonly socket: Socket;
	#bytes = Buffer.alloc(0);
	#closed = false;
	#wake: (() => void) | undefined;

	constructor(port: number, t: ExecutionContext) {
		this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
		t.teardown(() => this.socket.destroy());
		this.socket.on("error", () => undefined);
		this.socket.on("data", (chunk: Buffer) => {
			this.#bytes = Buffer.concat([this.#bytes, chunk]);
			this.#wake?.();
		});
		this.socket.on("close", () => {
			this.#closed = true;
			this.#wake?.();
		});
	}

	send(...packets: readonly Uint8Array[]): void {
		this.socket.write(Buffer.concat(packets));
	}

	/** The next packet; undefined when the connection ended without one. */
	async next(): Promise<Buffer | undefined> {
		for (;;) {
			const end = this.#end();
			if (end !== undefined) {
				const taken = this.#bytes.subarray(0, end);
				this.#bytes = this.#bytes.subarray(end);
				return taken;
			}
			if (this.#closed) return undefined;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}

	/** Connects: CONNACK's session-present flag and return code. */
	async open(fields: ConnectFields): Promise<string | undefined> {
		this.send(connectPacket(fields));
		return (await this.next())?.toString("hex");
	}

	/** Subscribes: the return codes. */
	async subscribe(...filters: readonly (readonly [filter: string, qos: number])[]): Promise<readonly number[]> {
		this.send(subscribePacket(filters, 99));
		const answer = (await this.next()) as Buffer;
		return answer[0] === 0x90 ? [...answer.subarray(4)] : [];
	}

	/** Publishes and takes part in the exchange of its quality of service to the end. */
	async publish(topic: string, message: string, fields: PublishFields = {}): Promise<void> {
		const { qos = 0, packetId = 1 } = fields;
		this.send(publishPacket(topic, message, fields));
		if (qos === 2) {
			await this.next();
			this.send(packet(0x62, uint16(packetId)));
		}
		if (qos > 0) await this.next();
	}

	/** The next messages, and the exchanges of their qualities of service to the end, unless told otherwise. */
	async received(count: number, { acknowledge = true } = {}): Promise<readonly Published[]> {
		const messages: Published[] = [];
		for (let open = 0; messages.length < count || open > 0; ) {
			const came = await this.next();
			if (came === undefined) break;
			const type = (came[0] as number) >> 4;
			if (type === 6) {
				this.send(packet(0x70, came.subarray(2, 4)));
				open--;
			}
			if (type !== 3) continue;
			const message = publishedIn(came);
			messages.push(message);
			if (!acknowledge || message.packetId === undefined) continue;
			this.send(packet(message.qos === 1 ? 0x40 : 0x50, uint16(message.packetId)));
			if (message.qos === 2) open++;
		}
		return messages;
	}

	#end(): number | undefined {
		let length = 0;
		for (let at = 1; at < this.#bytes.length && at < 5; at++) {
			const byte = this.#bytes[at] as number;
			length += (byte & 127) * 128 ** (at - 1);
			if (byte < 128) return at + 1 + length <= this.#bytes.length ? at + 1 + length : undefined;
		}
		return undefined;
	}
}

function publishedIn(bytes: Buffer): Published {
	const flags = bytes[0] as number;
	const qos = (flags >> 1) & 3;
	const start = bytes.findIndex((byte, i) => i > 0 && byte < 128) + 1;
	const topicEnd = start + 2 + bytes.readUInt16BE(start);
	return {
		topic: bytes.subarray(start + 2, topicEnd).toString(),
		message: bytes.subarray(topicEnd + (qos > 0 ? 2 : 0)).toString(),
		qos,
		retain: (flags & 1) !== 0,
		dup: (flags & 8) !== 0,
		packetId: qos > 0 ? bytes.readUInt16BE(topicEnd) : undefined,
	};
}
