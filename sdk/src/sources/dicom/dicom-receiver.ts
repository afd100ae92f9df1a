import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { ConfigError, ConnectionError, LimitError, PsglError } from "../../errors.js";
import type { DicomImage } from "./dicom-image.js";
import { part10 } from "./part10.js";
import { PduGuard } from "./pdu-guard.js";
import { readDicom } from "./read-dicom.js";
import { receiverLimits } from "./receiver-limits.js";
import { type ReceivedDataSet, storeProvider } from "./store-provider.js";

export interface DicomReceiverOptions {
	/** TCP port; 0 takes a free one. */
	readonly port: number;
	/** Address to listen on. Default 127.0.0.1: DICOM's own protocol is neither encrypted nor authenticated. */
	readonly host?: string | undefined;
	/** The title callers have to call, 1 to 16 characters. Default: any. */
	readonly title?: string | undefined;
	/** Titles that may call. Default: any. */
	readonly callers?: readonly string[] | undefined;
	/**
	 * Takes an image; the modality is told it is stored when this resolves. When it throws, the modality is told to keep it:
	 * out of resources for a LimitError, else that it could not be understood.
	 */
	readonly onImage: (image: DicomImage) => void | Promise<void>;
	/** Milliseconds of silence after which a connection is closed. Default 60,000. */
	readonly idleTimeoutMs?: number | undefined;
	/** Told why a connection was ended or an object refused. Carries no identifiers. */
	readonly onRefused?: ((error: PsglError) => void) | undefined;
}

/** DICOM statuses of a C-STORE response (PS3.4 annex B.2.3). */
const [success, outOfResources, cannotUnderstand] = [0x0000, 0xa700, 0xc000];

/** Takes images from modalities by C-STORE (PS3.4 annex B), and answers C-ECHO. */
export class DicomReceiver implements AsyncDisposable {
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();

	private constructor(server: Server) {
		this.#server = server;
	}

	/**
	 * Starts to listen.
	 * @throws ConfigError `PSGL_DICOM_TITLE`; ConnectionError `PSGL_DICOM_LISTEN`
	 */
	static async start(options: DicomReceiverOptions): Promise<DicomReceiver> {
		const { port, host = "127.0.0.1", title, callers = [] } = options;
		for (const name of title === undefined ? callers : [title, ...callers]) {
			if (/^[\x21-\x7e]([\x20-\x7e]{0,14}[\x21-\x7e])?$/.test(name) && !name.includes("\\")) continue;
			throw new ConfigError("PSGL_DICOM_TITLE", {
				what: "an application entity title cannot be used",
				got: JSON.stringify(name),
				expected: "1 to 16 printable characters, no backslash",
			});
		}
		const provider = await storeProvider({ title, callers, store: (received) => store(received, options) });
		const server = createServer();
		server.maxConnections = receiverLimits.maxConnections;
		const receiver = new DicomReceiver(server);
		server.on("connection", (socket) => receiver.#accept(socket, provider, options));
		server.listen(port, host);
		try {
			await once(server, "listening");
		} catch (cause) {
			throw new ConnectionError("PSGL_DICOM_LISTEN", {
				what: `DICOM images cannot be received on ${host}:${port}`,
				got: cause instanceof Error ? cause.message : String(cause),
				expected: "a free port and an address of this machine",
				remedy: "Choose another --dicom-port or --dicom-host",
				cause,
			});
		}
		return receiver;
	}

	get port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	/** Ends all connections and stops to listen. */
	async close(): Promise<void> {
		if (!this.#server.listening) return;
		this.#server.close();
		for (const socket of this.#sockets) socket.destroy();
		await once(this.#server, "close");
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#accept(socket: Socket, provide: (link: Duplex) => void, options: DicomReceiverOptions): void {
		const { onRefused: refused, idleTimeoutMs = receiverLimits.idleTimeoutMs } = options;
		this.#sockets.add(socket);
		socket.on("close", () => this.#sockets.delete(socket));
		socket.on("error", () => socket.destroy());
		socket.setTimeout(idleTimeoutMs, () => socket.destroy());
		const guard = new PduGuard();
		guard.on("error", (error) => {
			if (error instanceof PsglError) refused?.(error);
			socket.destroy();
		});
		const link = Duplex.from({ readable: socket.pipe(guard), writable: socket }) as Duplex;
		link.on("error", () => socket.destroy());
		// The library ends its timers when its stream closes.
		socket.on("close", () => link.destroy());
		provide(link);
	}
}

async function store(received: ReceivedDataSet, { onImage, onRefused }: DicomReceiverOptions): Promise<number> {
	try {
		const file = part10(received.bytes, received);
		await onImage(await readDicom(file, { name: "the received image" }));
		return success;
	} catch (error) {
		if (!(error instanceof PsglError)) throw error;
		onRefused?.(error);
		return error instanceof LimitError ? outOfResources : cannotUnderstand;
	}
}
