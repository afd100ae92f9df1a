import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { PsglError } from "@psgl/sdk";
import type { ByteGuard } from "./byte-guard.js";
import type { PeerIdentity } from "./tls.js";

/** CONNACK with return code 1, unacceptable protocol version (MQTT 3.1.1 section 3.2). */
const unacceptableVersion = Buffer.of(0x20, 2, 0, 1);

/** A stream (a socket, or what comes over a WebSocket) whose bytes pass a guard before anyone reads them. A refusal destroys both. */
export class GuardedConnection extends Duplex {
	/** `address:port` of the other end, for log lines. */
	readonly peer: string;
	/** Who it is by certificate; undefined on the plain port. */
	readonly identity: PeerIdentity | undefined;
	readonly #stream: Duplex;

	constructor(stream: Duplex, peer: string, guard: ByteGuard, identity?: PeerIdentity) {
		super({ allowHalfOpen: false });
		this.#stream = stream;
		this.identity = identity;
		this.peer = peer;
		const take = (chunk: Buffer) => {
			try {
				guard.inspect(chunk);
			} catch (error) {
				stream.off("data", take);
				// [MQTT-3.1.2-2]
				if (error instanceof PsglError && error.code === "PSGL_BROKER_VERSION") {
					stream.write(unacceptableVersion, () => this.destroy(error));
				} else this.destroy(error as Error);
				return;
			}
			if (!this.push(chunk)) stream.pause();
		};
		stream.on("data", take);
		stream.on("end", () => this.push(null));
		stream.on("error", (error) => this.destroy(error));
		stream.on("close", () => this.destroy());
	}

	override _read(): void {
		this.#stream.resume();
	}

	override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
		this.#stream.write(chunk, done);
	}

	override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
		this.#stream.cork();
		const last = chunks.length - 1;
		chunks.forEach(({ chunk }, i) => {
			if (i === last) this.#stream.write(chunk, done);
			else this.#stream.write(chunk);
		});
		this.#stream.uncork();
	}

	override _final(done: (error?: Error | null) => void): void {
		this.#stream.end(done);
	}

	override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
		this.#stream.destroy();
		done(error);
	}
}

/** `address:port` of a socket's other end. */
export function peerAddress({ remoteAddress, remotePort }: Socket): string {
	return `${remoteAddress ?? "unknown"}:${remotePort ?? 0}`;
}
