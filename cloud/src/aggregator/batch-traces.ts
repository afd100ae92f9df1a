import { ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import type { PsglError } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { BatchIdentity } from "./ledger.js";

/**
 * A trace of each training batch: the span `psgl.batch` from when it was read out of the log until its answer is sent, with the
 * event `applied` when the optimiser step was made with it, and in it `psgl.device`, from when the device was sent the round or the gradient
 * before until the batch was here: its own work, and both ways over the link. It goes to whatever OpenTelemetry SDK the process was started with, and
 * costs next to nothing where there is none (docs/operations.md).
 */
export class BatchTraces {
	readonly #tracer: Tracer = trace.getTracer("@psgl/cloud");
	readonly #spans = new Map<string, Span>();
	/** Of each device that takes part in a round, when it was last sent something to work on, milliseconds since the Unix epoch. */
	readonly #sentAt = new Map<string, number>();

	/** A device was told to begin. */
	begun(device: string): void {
		this.#sentAt.set(device, Date.now());
	}

	/** Nothing more is expected of a device. */
	done(device: string): void {
		this.#sentAt.delete(device);
	}

	/** A batch came in. */
	received(identity: BatchIdentity): void {
		const { device, epoch, seq } = identity;
		const attributes = { "psgl.device": device, "psgl.epoch": epoch, "psgl.seq": seq };
		const span = this.#tracer.startSpan("psgl.batch", { attributes });
		if (!span.isRecording()) return;
		const startTime = this.#sentAt.get(device);
		if (startTime !== undefined) {
			this.#tracer.startSpan("psgl.device", { startTime, attributes }, trace.setSpan(ROOT_CONTEXT, span)).end();
		}
		// A device that left in between gets no answer to its last ones.
		const [oldest] = this.#spans;
		if (this.#spans.size >= cloudLimits.maxDevices && oldest !== undefined) this.#end(oldest[0]);
		this.#spans.set(keyOf(identity), span);
	}

	/** An optimiser step was made with it. */
	applied(identity: BatchIdentity): void {
		this.#spans.get(keyOf(identity))?.addEvent("applied");
	}

	/** Its gradient was handed to the broker. */
	answered(identity: BatchIdentity): void {
		if (this.#sentAt.has(identity.device)) this.begun(identity.device);
		this.#end(keyOf(identity));
	}

	/** It was refused, for this reason. */
	refused(identity: BatchIdentity, { code, what }: PsglError): void {
		const span = this.#spans.get(keyOf(identity));
		span?.setAttribute("psgl.code", code);
		span?.setStatus({ code: SpanStatusCode.ERROR, message: what });
		this.#end(keyOf(identity));
	}

	#end(key: string): void {
		this.#spans.get(key)?.end();
		this.#spans.delete(key);
	}
}

function keyOf({ device, epoch, seq }: BatchIdentity): string {
	return `${device} ${epoch} ${seq}`;
}
