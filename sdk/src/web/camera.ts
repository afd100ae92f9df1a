import { DataError } from "../errors.js";
import { type PictureShape, pictureSample } from "./picture-sample.js";

export interface CameraOptions {
	/** [C,H,W] of the samples. */
	readonly shape: PictureShape;
	/** Milliseconds from one frame to the next, at least. Default 1000. */
	readonly everyMs?: number | undefined;
	/** Which camera: `environment` looks away from the user. Left to the browser where it is not given. */
	readonly facing?: "user" | "environment" | undefined;
	/** Ends the frames. */
	readonly signal?: AbortSignal | undefined;
}

/**
 * Frames of a camera as uint8 samples of `shape`, for as long as they are read; pictures go nowhere else. The browser asks
 * the user first, and allows it in secure contexts only. In a page, not in a worker.
 * @throws DataError `PSGL_WEB_CAMERA` when there is none, the user does not allow it, or it is unplugged.
 */
export async function* cameraFrames(options: CameraOptions): AsyncGenerator<Uint8Array, void> {
	const { shape, everyMs = 1000, facing, signal } = options;
	const stream = await openCamera(facing);
	const [track] = stream.getVideoTracks();
	const stopped = () => signal?.aborted === true;
	const video = document.createElement("video");
	video.muted = true;
	video.playsInline = true;
	video.srcObject = stream;
	try {
		await video.play();
		let due = 0;
		while (!stopped()) {
			const now = await nextFrame(video, track, signal);
			if (now === undefined) break;
			if (now < due) continue;
			due = now + everyMs;
			yield pictureSample(video, shape);
		}
	} finally {
		for (const each of stream.getTracks()) each.stop();
		video.srcObject = null;
	}
	if (!stopped()) throw cameraError("the camera stopped", "its track ended", "Plug it in again and start anew");
}

async function openCamera(facing: CameraOptions["facing"]): Promise<MediaStream> {
	try {
		return await navigator.mediaDevices.getUserMedia({ audio: false, video: facing ? { facingMode: facing } : true });
	} catch (cause) {
		const got = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
		throw cameraError(
			"no camera can be used",
			got,
			"Plug one in, allow this page to use it, and serve the page by HTTPS",
			cause,
		);
	}
}

/** Time of the next frame, milliseconds; undefined when none comes any more. */
function nextFrame(
	video: HTMLVideoElement,
	track: MediaStreamTrack | undefined,
	signal: AbortSignal | undefined,
): Promise<number | undefined> {
	return new Promise((resolve) => {
		if (track === undefined || track.readyState === "ended" || signal?.aborted === true) return resolve(undefined);
		const settled = new AbortController();
		const settle = (now: number | undefined) => {
			settled.abort();
			video.cancelVideoFrameCallback(frame);
			resolve(now);
		};
		const frame = video.requestVideoFrameCallback((now) => settle(now));
		track.addEventListener("ended", () => settle(undefined), { signal: settled.signal });
		signal?.addEventListener("abort", () => settle(undefined), { signal: settled.signal });
	});
}

function cameraError(what: string, got: string, remedy: string, cause?: unknown): DataError {
	return new DataError("PSGL_WEB_CAMERA", { what, got, remedy, cause });
}
