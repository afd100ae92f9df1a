import type { Transport } from "@psgl/sdk";
import { seededRandom, systemClock, type Tensor } from "@psgl/sdk";
import {
	type AggregatorMessage,
	type BatchMessage,
	ChunkAssembler,
	type DeviceMessage,
	deviceTopic,
	encodeEnvelope,
	type HelloMessage,
	protocolLimits,
	splitIntoChunks,
} from "@psgl/sdk/protocol";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import { smallShape } from "./small-model.js";

type TypeOf<T extends AggregatorMessage["type"]> = Extract<AggregatorMessage, { readonly type: T }>;

/** The device's side of the protocol with nothing of its own will: a real connection, real messages, and a test that says what is sent. */
export class ScriptedDevice implements AsyncDisposable {
	readonly id: string;
	/** Sees every payload that comes down. */
	readonly payloads: Uint8Array[] = [];
	readonly #transport: Transport;
	readonly #inbox: AggregatorMessage[] = [];
	readonly #assembler: ChunkAssembler<"aggregator">;
	#wake: (() => void) | undefined;

	private constructor(id: string, transport: Transport) {
		this.id = id;
		this.#transport = transport;
		this.#assembler = new ChunkAssembler({
			from: "aggregator",
			device: id,
			clock: systemClock,
			onExpired: () => undefined,
		});
	}

	/** Connects with a last will and says nothing. */
	static async connect(url: string, id: string): Promise<ScriptedDevice> {
		const gone = encodeEnvelope({ type: "status", device: id, state: "offline", since: 0 });
		const transport = mqttTransport({
			url,
			clientId: id,
			clock: systemClock,
			random: seededRandom(1),
			lastWill: { topic: deviceTopic(id, "status"), payload: gone, retain: true },
		});
		const device = new ScriptedDevice(id, transport);
		await transport.subscribe(deviceTopic(id, "down"), ({ payload }) => device.#receive(payload));
		await transport.connect();
		return device;
	}

	/** Connects, says hello and takes the welcome. */
	static async join(url: string, id: string, changes: Partial<HelloMessage> = {}): Promise<ScriptedDevice> {
		const device = await ScriptedDevice.connect(url, id);
		await device.hello(changes);
		await device.next("welcome");
		return device;
	}

	hello(changes: Partial<HelloMessage> = {}): Promise<void> {
		return this.send(helloFrom(this.id, changes));
	}

	async send(message: DeviceMessage): Promise<void> {
		for (const envelope of splitIntoChunks(message, protocolLimits.defaultMessageBytes)) await this.publish(envelope);
	}

	/** Publishes bytes as they are. */
	publish(payload: Uint8Array): Promise<void> {
		return this.#transport.publish(deviceTopic(this.id, "up"), payload);
	}

	/** The next message of this type; what comes before it is skipped. */
	async next<T extends AggregatorMessage["type"]>(type: T): Promise<TypeOf<T>> {
		for (;;) {
			const message = this.#inbox.shift();
			if (message?.type === type) return message as TypeOf<T>;
			if (message !== undefined) continue;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
		}
	}

	/** Disconnects in good order, without a last will. */
	async [Symbol.asyncDispose](): Promise<void> {
		this.#assembler[Symbol.dispose]();
		await this.#transport.close();
	}

	#receive(payload: Uint8Array): void {
		this.payloads.push(payload);
		const received = this.#assembler.accept(payload);
		if (received === undefined) return;
		this.#inbox.push(received.message);
		this.#wake?.();
	}
}

/** The hello of a device that can do everything and holds 64 samples of the small model. */
export function helloFrom(device: string, changes: Partial<HelloMessage> = {}): HelloMessage {
	return {
		type: "hello",
		device,
		session: 1,
		protocols: [1],
		samples: { train: 64, validation: 0 },
		classes: 2,
		inputShape: smallShape,
		dtypes: ["float32", "float16", "int8"],
		maxMessageBytes: protocolLimits.defaultMessageBytes,
		agent: "scripted",
		artifacts: [],
		...changes,
	};
}

/** A batch of smashed data drawn from `seed`, the classes in turn. */
export function scriptedBatch(
	device: string,
	place: { readonly epoch: number; readonly seq: number; readonly model?: number; readonly samples?: number },
	smashedShape: readonly number[],
): BatchMessage {
	const { epoch, seq, model = 0, samples = 4 } = place;
	const random = seededRandom(1000 * epoch + seq);
	const size = smashedShape.reduce((a, b) => a * b, 1);
	const data = Float32Array.from({ length: samples * size }, (_, i) => random.uniform() + (Math.floor(i / size) % 2));
	const smashed: Tensor<"float32"> = { dtype: "float32", dims: [samples, ...smashedShape], data };
	const labels = Uint8Array.from({ length: samples }, (_, i) => i % 2);
	return {
		type: "batch",
		device,
		epoch,
		seq,
		model,
		tensors: { smashed, labels: { dtype: "uint8", dims: [samples], data: labels } },
	};
}
