import { type Span, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import type { PsglError } from "@psgl/sdk";
import { cloudLimits } from "../limits.js";
import type { BatchIdentity } from "./ledger.js";

/**
 * A trace of each training batch: the span `psgl.batch` from when it was read out of the log until its answer is sent, with the
 * event `applied` when the optimiser step was made with it. It goes to whatever OpenTelemetry SDK the process was started with, and
 * costs next to nothing where there is none (docs/operations.md).
 */
export class BatchTraces {
	readonly #tracer: Tracer = trace.getTracer("@psgl/cloud");
	readonly #spans = new Map<string, Span>();

	/** A batch came in. */
	received(identity: BatchIdentity): void {
		const { device, epoch, seq } = identity;
		const span = this.#tracer.startSpan("psgl.batch", {
			attributes: { "psgl.device": device, "psgl.epoch": epoch, "psgl.seq": seq },
		});
		if (!span.isRecording()) return;
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
