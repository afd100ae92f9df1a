import { LimitError, NumericError, ProtocolError } from "@psgl/sdk";

/** For what belongs to a round that is over for its device. */
export function roundOver(epoch: number): ProtocolError {
	return new ProtocolError("PSGL_ROUND_OVER", {
		what: "the round this message belongs to is over, or went on without this device",
		got: `epoch ${epoch}`,
		remedy: "Wait for the next round",
	});
}

/** For a batch whose predecessor has not come, and for an answer to a batch that has not come itself. */
export function batchMissing(epoch: number, seq: number): ProtocolError {
	return new ProtocolError("PSGL_BATCH_MISSING", {
		what: "this batch, or one before it, has not come",
		got: `batch ${seq} of epoch ${epoch}`,
		remedy: "Send batches in order, each after the answer to the one before it",
	});
}

/** For a request whose smashed data were made with another model than the aggregator serves the device with. */
export function otherModel(got: string, expected: string): ProtocolError {
	return new ProtocolError("PSGL_INFER_MODEL", {
		what: "the smashed data of this request were made with a model that is not served",
		got: `client half ${got.slice(0, 12)}`,
		expected: expected.slice(0, 12),
		remedy: "Nothing to do while models change: the device takes the one it was told of, and decides alone until then",
	});
}

/** For a batch that came without credit while there was no room. */
export function intakeFull(): LimitError {
	return new LimitError("PSGL_INTAKE_FULL", {
		what: "the aggregator has no room for another batch",
		got: "a batch without credit for it",
		remedy: "Send it again a little later; a device of protocol version 2 waits for credit",
	});
}

/** For labels that came where they are to stay on the device, and for smashed data without them elsewhere. */
export function labelsMisplaced(came: boolean): ProtocolError {
	return new ProtocolError("PSGL_BATCH_TAIL", {
		what: came ? "labels came for a model that leaves them on the device" : "smashed data came without their labels",
		got: came ? "a batch or evaluate message" : "a forward message",
		expected: came ? "a forward message" : "a batch or evaluate message",
		remedy: "Check that aggregator and device use the same artifact",
	});
}

/** For a batch that the outlier guard left out. */
export function batchOutlier(reason: string): NumericError {
	return new NumericError("PSGL_BATCH_OUTLIER", {
		what: "the smashed data are unlike those of the other devices and are left out",
		got: reason,
		remedy: "Check the device and its data; where devices differ this much by nature, train without --outlier-guard",
	});
}

/** For what came before the device said hello. */
export function helloFirst(type: string): ProtocolError {
	return new ProtocolError("PSGL_HELLO_FIRST", {
		what: "the aggregator does not know this device",
		got: `${type} before hello`,
		expected: "hello first after every connect",
		remedy: "Send hello, then ask again",
	});
}
