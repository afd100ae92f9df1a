import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { PsglError } from "@psgl/sdk";
import type { ByteGuard } from "./byte-guard.js";
import type { PeerIdentity } from "./tls.js";

/** Who is at the other end of a connection. */
export interface Peer {
	/** `address:port`, for log lines. */
	readonly address: string;
	/** By certificate; undefined on the plain port. */
	readonly identity: PeerIdentity | undefined;
}

/** CONNACK with return code 1, unacceptable protocol version (MQTT 3.1.1 section 3.2). */
const unacceptableVersion = Buffer.of(0x20, 2, 0, 1);

const peers = new WeakMap<object, Peer>();

/**
 * Lets the bytes of a stream (a socket, or what comes over a WebSocket) pass a guard before anyone can read them; a refusal destroys it.
 * The guard sits in the stream's `push`, where all bytes come in: a second stream around it would cost memory for each connection
 * that waits, and a detour for every chunk (docs/performance.md).
 */
export function guardConnection(stream: Duplex, guard: ByteGuard, peer: Peer): void {
	peers.set(stream, peer);
	// What came together with the end of a handshake.
	const early: Buffer | null = stream.readableLength > 0 ? stream.read() : null;
	const { push } = stream;
	let refused = false;
	stream.push = (chunk: Buffer | null) => {
		if (refused) return false;
		try {
			if (chunk !== null) guard.inspect(chunk);
		} catch (error) {
			refused = true;
			turnAway(stream, error as Error);
			return false;
		}
		return push.call(stream, chunk);
	};
	if (early !== null) stream.push(early);
}

/** Who is at the other end of a guarded connection. */
export function peerOf(connection: object): Peer | undefined {
	return peers.get(connection);
}

/** `address:port` of a socket's other end. */
export function peerAddress({ remoteAddress, remotePort }: Socket): string {
	return `${remoteAddress ?? "unknown"}:${remotePort ?? 0}`;
}

function turnAway(stream: Duplex, error: Error): void {
	// [MQTT-3.1.2-2]
	if (error instanceof PsglError && error.code === "PSGL_BROKER_VERSION") {
		stream.write(unacceptableVersion, () => stream.destroy(error));
	} else stream.destroy(error);
}
