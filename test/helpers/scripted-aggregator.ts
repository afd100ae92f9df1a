import { type Broker, type BrokerOptions, decodeEntry, startBroker } from "@psgl/cloud";
import { systemClock } from "@psgl/sdk";
import { sha256 } from "@psgl/sdk/artifact";
import {
	type AggregatorMessage,
	ChunkAssembler,
	type DeviceMessage,
	decodeEnvelope,
	type StatusMessage,
	splitIntoChunks,
	type WelcomeMessage,
} from "@psgl/sdk/protocol";

/** Terms of `welcome` that a test changes. */
export type Terms = Partial<Omit<WelcomeMessage, "type" | "device" | "artifact">>;

type TypeOf<T extends DeviceMessage["type"]> = Extract<DeviceMessage, { readonly type: T }>;

/**
 * The aggregator's side of the protocol with nothing of its own will: a real broker, real messages, and a test that
 * says what is sent. Answers `hello` by `welcome`, and `artifact` where the device lacks it, unless told not to.
 */
export class ScriptedAggregator implements AsyncDisposable {
	readonly broker: Broker;
	readonly artifact: Uint8Array;
	readonly digest: string;
	terms: Terms;
	/** False: `hello` goes to `next` like everything else. */
	enrols = true;
	/** Every `status` published. */
	readonly statuses: StatusMessage[] = [];
	/** Sees every payload of an `up` topic. */
	onPayload: (payload: Uint8Array) => void = () => undefined;
	readonly #assemblers = new Map<string, ChunkAssembler<"device">>();
	readonly #inbox: DeviceMessage[] = [];
	#wake: (() => void) | undefined;
	readonly #reading: Promise<void>;

	private constructor(broker: Broker, artifact: Uint8Array, digest: string, terms: Terms) {
		this.broker = broker;
		this.artifact = artifact;
		this.digest = digest;
		this.terms = terms;
		this.#reading = this.#read();
	}

	static async start(
		artifact: Uint8Array,
		terms: Terms = {},
		options: BrokerOptions = {},
	): Promise<ScriptedAggregator> {
		const broker = await startBroker({ port: 0, ...options });
		return new ScriptedAggregator(broker, artifact, await sha256(artifact), terms);
	}

	get url(): string {
		return this.broker.url;
	}

	/** Messages that came and were not taken. */
	get pending(): number {
		return this.#inbox.length;
	}

	/** The next message of a device. */
	async next(): Promise<DeviceMessage> {
		for (;;) {
			const message = this.#inbox.shift();
			if (message !== undefined) return message;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}

	/** The next message, which has to be of this type. */
	async expect<T extends DeviceMessage["type"]>(type: T): Promise<TypeOf<T>> {
		const message = await this.next();
		if (message.type !== type) throw new Error(`got ${message.type}, expected ${type}`);
		return message as TypeOf<T>;
	}

	async send(message: AggregatorMessage): Promise<void> {
		for (const envelope of splitIntoChunks(message, 900_000)) await this.sendBytes(message.device, envelope);
	}

	async sendBytes(device: string, payload: Uint8Array): Promise<void> {
		await this.broker.send(device, payload);
	}

	/** Sends `welcome`, and the artifact it names unless the device has it. */
	async enrol(
		{ device, artifacts }: { readonly device: string; readonly artifacts: readonly string[] },
		artifact = this.digest,
	): Promise<void> {
		await this.send({
			type: "welcome",
			device,
			protocol: 1,
			session: 1,
			model: 0,
			artifact,
			maxMessageBytes: 500_000,
			smashedDtype: "float32",
			gradientDtype: "float32",
			strategy: "splitfed-v2",
			batchSize: 4,
			seed: 7,
			mapBudget: 0,
			robustBudget: 0,
			...this.terms,
		});
		if (!artifacts.includes(this.digest)) await this.sendArtifact(device);
	}

	async sendArtifact(device: string, body = this.artifact): Promise<void> {
		await this.send({ type: "artifact", device, name: "test", version: "0", digest: this.digest, body });
	}

	async close(): Promise<void> {
		for (const assembler of this.#assemblers.values()) assembler[Symbol.dispose]();
		await this.broker.close();
		await this.#reading;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #read(): Promise<void> {
		for await (const { position, bytes } of this.broker.log.read(0)) {
			const { device, channel, payload } = decodeEntry(bytes);
			if (channel === "status") this.statuses.push(decodeEnvelope(payload) as StatusMessage);
			else await this.#take(device, payload.slice());
			this.broker.log.release(position + 1);
		}
	}

	async #take(device: string, payload: Uint8Array): Promise<void> {
		this.onPayload(payload);
		const message = this.#assembler(device).accept(payload)?.message;
		if (message === undefined) return;
		if (message.type === "hello" && this.enrols) return this.enrol(message);
		this.#inbox.push(message);
		this.#wake?.();
	}

	#assembler(device: string): ChunkAssembler<"device"> {
		const known = this.#assemblers.get(device);
		if (known !== undefined) return known;
		const assembler = new ChunkAssembler({ from: "device", device, clock: systemClock, onExpired: () => undefined });
		this.#assemblers.set(device, assembler);
		return assembler;
	}
}
