const KiB = 1024;
const MiB = 1024 * KiB;

/** Version of the wire protocol this code speaks: the first item of every envelope. */
export const protocolVersion = 1;

/** Version that adds credit and reports of models to version 1; its envelopes are the same. */
export const creditVersion = 2;

/** Version that adds steps whose labels stay on the device. */
export const labelsOnDeviceVersion = 3;

/** Version from which on devices have a twin. */
export const twinVersion = 3;

/** Versions this code speaks, the oldest first. */
export const protocolVersions: readonly number[] = [protocolVersion, creditVersion, labelsOnDeviceVersion];

/** Every bound of the wire protocol. What goes over one is refused before memory is set aside for it. */
export const protocolLimits = {
	/** Smallest `maxMessageBytes` that can be negotiated: room for the longest header and as much body. */
	minMessageBytes: 16 * KiB,
	/** `maxMessageBytes` unless set: below NATS's default payload of 1 MiB, with room for its own headers. */
	defaultMessageBytes: 1_000_000,
	/** Largest `maxMessageBytes` that can be negotiated: a whole body in one message. MQTT itself ends at 256 MiB. */
	maxMessageBytes: 64 * MiB + 16 * KiB,
	/** Longest body, over all of its chunks: 16 million float32 parameters. */
	maxBodyBytes: 64 * MiB,
	/** Longest header: half of the smallest message, so that a chunk always carries something. */
	maxHeaderBytes: 8 * KiB,
	/** Chunks of one message: the longest body in the smallest messages, rounded up. */
	maxChunks: 16_384,
	/** Messages of one sender that may be incomplete at a time; a device sends one after the other. */
	maxPartialMessages: 4,
	/** Bytes that the incomplete messages of one sender may announce together: one longest body, and small ones beside it. */
	maxPartialBytes: 72 * MiB,
	/** Milliseconds an incomplete message waits for its next chunk: several round trips of a slow mobile link. */
	chunkTimeoutMs: 30_000,
	/** Completed messages a receiver remembers, so that a chunk delivered twice (QoS 1) starts nothing new. */
	completedMemory: 16,
	/** Batches of one device in flight at a time. */
	maxWindow: 8,
	/** Times a deflated body may grow: smashed data grow two- to fivefold. */
	maxInflation: 64,
	/** Tensors of one message. */
	maxTensors: 4,
	/** Dimensions of a tensor: batch, channel and up to three more. */
	maxRank: 5,
	/** Size of one dimension: a body full of int8. */
	maxDimension: 64 * MiB,
	/** Characters of a text in a message: `refused` with four of them still fits its header. */
	maxTextLength: 512,
	/** Characters of a name, version or code. */
	maxNameLength: 64,
	/** Digests of known artifacts in `hello`. */
	maxArtifacts: 16,
	/** Streams of the aggregator: losses and score rows. */
	maxStreams: 16,
	/** Classes. */
	maxClasses: 65_536,
	/** Largest epoch, seq, step count, sample count, model version: unsigned 32 bits. */
	maxCounter: 0xffff_ffff,
} as const;

/** The limits a receiver sets for itself. */
export interface ReceiveLimits {
	/** Longest envelope, bytes: the negotiated maximum. */
	readonly maxMessageBytes: number;
	/** Longest body after its chunks are put together, bytes. */
	readonly maxBodyBytes: number;
}

/** What a receiver accepts unless told otherwise. */
export const defaultReceiveLimits: ReceiveLimits = {
	maxMessageBytes: protocolLimits.defaultMessageBytes,
	maxBodyBytes: protocolLimits.maxBodyBytes,
};
