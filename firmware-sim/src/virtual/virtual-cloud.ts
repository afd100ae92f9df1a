/** What a device in virtual time sends: the messages of the protocol that matter to the rules, without their tensors. */
export type UplinkMessage =
	| {
			readonly type: "hello";
			readonly device: string;
			/** Number of the device's process. */
			readonly session: number;
			readonly samples: { readonly train: number; readonly validation: number };
			/** It has the client artifact already. */
			readonly hasArtifact: boolean;
	  }
	| {
			readonly type: "batch";
			readonly device: string;
			readonly epoch: number;
			readonly seq: number;
			readonly samples: number;
	  }
	| { readonly type: "weights"; readonly device: string; readonly epoch: number; readonly samples: number }
	| { readonly type: "evaluate"; readonly device: string; readonly epoch: number; readonly samples: number }
	| {
			readonly type: "resume";
			readonly device: string;
			readonly awaiting: "round" | "credit" | "gradient" | "received";
			readonly epoch: number;
			readonly seq: number;
	  }
	/** Bytes that are no message. */
	| { readonly type: "garbage"; readonly device: string };

/** What it gets. */
export type DownlinkMessage =
	| { readonly type: "welcome"; readonly withArtifact: boolean }
	| {
			readonly type: "round";
			readonly task: "train" | "validate";
			readonly epoch: number;
			readonly first: number;
			/** Batches to make; 0: all from `first` on. */
			readonly steps: number;
			readonly credit: number;
			readonly withWeights: boolean;
	  }
	| {
			readonly type: "gradient";
			readonly epoch: number;
			readonly seq: number;
			readonly samples: number;
			readonly credit: number | undefined;
	  }
	| { readonly type: "credit"; readonly epoch: number; readonly upTo: number }
	| { readonly type: "received"; readonly of: "weights" | "evaluate"; readonly epoch: number }
	| {
			readonly type: "refused";
			readonly of: UplinkMessage["type"];
			readonly epoch: number;
			readonly seq: number;
			readonly retry: boolean;
	  }
	| { readonly type: "end" };

/** The device's side of a connection. */
export interface Endpoint {
	readonly id: string;
	readonly address: string;
	/** A message leaves the broker now. */
	deliver(message: DownlinkMessage): void;
	/** The broker ended the connection. */
	dropped(): void;
}

/** Broker and aggregator in virtual time. What implements it decides by the rules of the real ones. */
export interface VirtualCloud {
	/** Whether the broker takes the connection. One that the device had before ends. */
	connect(endpoint: Endpoint): boolean;
	/** The broker has noticed that the connection of `endpoint` ended; not when another one took its place. */
	disconnect(endpoint: Endpoint): void;
	/** A message has arrived whole. */
	receive(message: UplinkMessage): void;
	/** `count` messages at once; returns how many were taken before the broker ended the connection. */
	flood(endpoint: Endpoint, count: number): number;
}

/** Bytes of messages as they are encoded. */
export interface MessageSizes {
	/** Payload bytes of a message, all its chunks. */
	of(message: UplinkMessage | DownlinkMessage): number;
	/** A waiting device asks for its round. */
	readonly poll: number;
}
