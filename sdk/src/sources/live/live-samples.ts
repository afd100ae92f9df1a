import { DataError, PsglError, ShapeError } from "../../errors.js";
import { type Clock, systemClock } from "../../ports/clock.js";
import { elementCount, type Tensor } from "../../tensor.js";
import { liveLimits } from "./live-limits.js";

export interface LiveOptions<Frame> {
	/** Shape of a sample: [C,H,W] or [C,L]. */
	readonly shape: readonly number[];
	/** Turns a frame into values in [0,1], or throws where it cannot; default: the frame holds them. */
	readonly convert?: ((frame: Frame) => Float32Array | Promise<Float32Array>) | undefined;
	/** Milliseconds without a frame after which the source counts as hung. Default 10,000. */
	readonly frameTimeoutMs?: number | undefined;
	readonly clock?: Clock | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** A sample from a live source, or what kept one from being made. */
export type LiveEvent =
	| {
			readonly type: "sample";
			readonly x: Tensor<"float32">;
			readonly provenance: { readonly kind: "live"; readonly frame: number; readonly atMs: number };
	  }
	/** A frame that cannot be a sample; the source goes on. */
	| { readonly type: "set-aside"; readonly frame: number; readonly error: PsglError }
	/** The source is over: by itself (no error), because it threw, or because it hung. */
	| { readonly type: "end"; readonly error: PsglError | undefined };

/**
 * Samples from any source of frames: a camera, a serial port, a pipe. Never throws for what the source does: a frame that does not fit
 * is set aside, a source that throws or hangs ends with its reason, so that the device goes on with what it has.
 */
export async function* liveSamples<Frame extends ArrayLike<number> = Float32Array>(
	frames: AsyncIterable<Frame>,
	options: LiveOptions<Frame>,
): AsyncGenerator<LiveEvent, void> {
	const { shape, clock = systemClock, frameTimeoutMs = liveLimits.frameTimeoutMs, signal } = options;
	const convert = options.convert ?? ((frame: Frame) => Float32Array.from(frame));
	const iterator = frames[Symbol.asyncIterator]();
	let finished = false;
	try {
		for (let frame = 0; ; frame++) {
			signal?.throwIfAborted();
			let next: IteratorResult<Frame>;
			try {
				next = await withTimeout(iterator.next(), frameTimeoutMs, clock, signal);
			} catch (cause) {
				signal?.throwIfAborted();
				yield { type: "end", error: sourceError(cause) };
				return;
			}
			if (next.done) {
				finished = true;
				yield { type: "end", error: undefined };
				return;
			}
			try {
				const x = checked(await convert(next.value), shape);
				yield { type: "sample", x, provenance: { kind: "live", frame, atMs: clock.now() } };
			} catch (cause) {
				yield { type: "set-aside", frame, error: sourceError(cause) };
			}
		}
	} finally {
		// Not awaited: a source that hangs would not come back from it either.
		if (!finished) iterator.return?.().catch(() => {});
	}
}

async function withTimeout<T>(work: Promise<T>, ms: number, clock: Clock, signal: AbortSignal | undefined): Promise<T> {
	const over = new AbortController();
	const stop = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
	const timeout = clock.sleep(ms, stop).then(() => {
		throw new DataError("PSGL_SOURCE_HUNG", {
			what: "a live source gives no more frames",
			got: `none for ${ms} ms`,
			expected: "a frame, or the end",
			remedy: "Check that the camera or sensor is plugged in, then start the source again.",
		});
	});
	try {
		return await Promise.race([work, timeout]);
	} finally {
		over.abort();
		timeout.catch(() => {});
		work.catch(() => {});
	}
}

function checked(values: Float32Array, shape: readonly number[]): Tensor<"float32"> {
	if (values.length !== elementCount(shape)) {
		throw new ShapeError("PSGL_SOURCE_SHAPE", {
			what: "a frame has another size than a sample",
			got: `${values.length} values`,
			expected: `${elementCount(shape)} for shape [${shape.join(",")}]`,
		});
	}
	const bad = values.find((value) => !(value >= 0 && value <= 1));
	if (bad !== undefined) {
		throw new DataError("PSGL_SOURCE_RANGE", {
			what: "a frame holds a value that is no level",
			got: String(bad),
			expected: "numbers from 0 to 1",
			remedy: "Scale the frames, or give a convert function that does.",
		});
	}
	return { dtype: "float32", dims: shape, data: values };
}

function sourceError(cause: unknown): PsglError {
	if (cause instanceof PsglError) return cause;
	return new DataError("PSGL_SOURCE_FAILED", {
		what: "a live source failed",
		got: cause instanceof Error ? cause.message : String(cause),
		expected: "frames",
		remedy: "Check the camera or sensor, then start the source again.",
		cause,
	});
}
