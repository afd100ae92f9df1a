import type { DownlinkMessage, KeptKind, MessageSizes, UplinkMessage } from "@psgl/firmware-sim";
import { elementCount, zeros } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import {
	type BatchMessage,
	type ClientWeights,
	type DeviceMessage,
	type EvaluateMessage,
	type Message,
	protocolVersions,
	refuse,
	splitIntoChunks,
	type WeightsMessage,
	type WireTensor,
	wireDTypes,
} from "@psgl/sdk/protocol";
import { batchMissing } from "../aggregator/refusals.js";
import { cloudLimits } from "../limits.js";

/** Bytes of an MQTT PUBLISH besides its payload on psgl's topics: fixed header, topic, packet identifier; and the PUBACK. */
const publishBytes = 40;

const device = "device-000000";
const large = 1_000_000;

/**
 * Sizes of messages as the protocol encodes them for this artifact, chunks and MQTT headers with them. What a message says does not
 * change its size, but for the samples in it.
 * @param client bytes of the client half, as devices get it
 */
export function messageSizes(artifact: Artifact, client: Uint8Array, weights: ClientWeights): MessageSizes {
	const sizeOf = (message: Message): number =>
		splitIntoChunks(message, cloudLimits.maxMessageBytes).reduce((sum, { length }) => sum + length + publishBytes, 0);
	const { manifest } = artifact;
	const digest = "0".repeat(64);
	const hello = (artifacts: readonly string[]): DeviceMessage => ({
		type: "hello",
		device,
		session: large,
		protocols: protocolVersions,
		samples: { train: large, validation: large },
		classes: manifest.classes.length,
		inputShape: manifest.inputShape,
		dtypes: wireDTypes,
		maxMessageBytes: cloudLimits.maxMessageBytes,
		agent: "psgl",
		artifacts,
	});
	const fixed = {
		hello: sizeOf(hello([])),
		helloAgain: sizeOf(hello([digest])),
		weights: sizeOf({
			type: "weights",
			device,
			epoch: large,
			model: large,
			samples: large,
			localLoss: 0.5,
			tensors: weights,
		}),
		resume: sizeOf({ type: "resume", device, awaiting: "round", epoch: large, seq: 100 }),
		welcome: sizeOf({
			type: "welcome",
			device,
			protocol: 2,
			session: large,
			model: large,
			artifact: digest,
			maxMessageBytes: cloudLimits.maxMessageBytes,
			smashedDtype: "float16",
			gradientDtype: "float16",
			strategy: "splitfed-v2",
			batchSize: 32,
			seed: large,
			mapBudget: 0.5,
			robustBudget: 0.01,
		}),
		artifact: sizeOf({ type: "artifact", device, name: manifest.name, version: "1", digest, body: client }),
		credit: sizeOf({ type: "credit", device, epoch: large, upTo: 100 }),
		received: sizeOf({ type: "received", device, of: "weights", epoch: large, seq: 0 }),
		refused: sizeOf(refuse(device, batchMissing(large, 100), { type: "batch", epoch: large, seq: 100 }, true)),
		end: sizeOf({ type: "end", device, reason: "finished", epoch: large, model: large }),
		garbage: 400,
	};
	const round = (tensors: ClientWeights | undefined) =>
		sizeOf({
			type: "round",
			device,
			epoch: large,
			task: "train",
			steps: 100,
			pass: large,
			first: 100,
			learningRate: 0.001,
			headLearningRate: 0.01,
			credit: 100,
			model: large,
			...(tensors && { tensors }),
		});
	const rounds = { plain: round(undefined), withWeights: round(weights) };
	const bySamples = (make: (samples: number) => Message) => {
		const known = new Map<number, number>();
		return (samples: number): number => {
			let size = known.get(samples);
			if (size === undefined) {
				size = sizeOf(make(samples));
				known.set(samples, size);
			}
			return size;
		};
	};
	const batch = bySamples((samples) => keptMessage(artifact, "batch", device, large, 100, samples, weights));
	const evaluate = bySamples((samples) => keptMessage(artifact, "evaluate", device, large, 0, samples, weights));
	const gradient = bySamples((samples) => ({
		type: "gradient",
		device,
		epoch: large,
		seq: 100,
		model: large,
		losses: manifest.streams.map(() => 0.5),
		credit: 100,
		tensors: { cutGradient: half(artifact, samples) },
	}));
	return {
		poll: fixed.resume,
		of(message: UplinkMessage | DownlinkMessage): number {
			switch (message.type) {
				case "hello":
					return message.hasArtifact ? fixed.helloAgain : fixed.hello;
				case "welcome":
					return fixed.welcome + (message.withArtifact ? fixed.artifact : 0);
				case "round":
					return message.withWeights ? rounds.withWeights : rounds.plain;
				case "batch":
					return batch(message.samples);
				case "evaluate":
					return evaluate(message.samples);
				case "gradient":
					return gradient(message.samples);
				default:
					return fixed[message.type];
			}
		},
	};
}

/** What a simulated device keeps in its outbox. */
export type SimulatedMessage = BatchMessage | EvaluateMessage | WeightsMessage;

/** A message that a device keeps in its outbox, with tensors of the size they have. */
export function keptMessage(
	artifact: Artifact,
	type: KeptKind,
	id: string,
	epoch: number,
	seq: number,
	samples: number,
	weights: ClientWeights,
): SimulatedMessage {
	const common = { device: id, epoch, model: epoch };
	if (type === "weights") return { type, ...common, samples, localLoss: 0.5, tensors: weights };
	const tensors = {
		smashed: half(artifact, samples),
		labels: { dtype: "uint8" as const, dims: [samples], data: new Uint8Array(samples) },
	};
	return type === "batch"
		? { type, ...common, seq, tensors }
		: { type: "evaluate", ...common, seq, last: true, tensors };
}

/** Smashed data of so many samples in float16, as they travel. */
function half({ manifest }: Artifact, samples: number): WireTensor {
	const dims = [samples, ...manifest.smashedShape];
	const data = new Uint16Array(elementCount(dims));
	return { dtype: "float16", dims, data, scale: zeros("float32", []) };
}
