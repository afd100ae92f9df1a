import { DataError } from "../../errors.js";

/**
 * Cuts a stream of bytes, for instance a pipe from ffmpeg (`-f rawvideo -pix_fmt gray`), into frames of `frameBytes`.
 * @throws DataError `PSGL_SOURCE_CUT` when the stream ends inside a frame
 */
export async function* rawFrames(
	stream: AsyncIterable<Uint8Array>,
	frameBytes: number,
): AsyncGenerator<Uint8Array, void> {
	let frame = new Uint8Array(frameBytes);
	let filled = 0;
	for await (const chunk of stream) {
		for (let at = 0; at < chunk.length; ) {
			const part = chunk.subarray(at, at + frameBytes - filled);
			frame.set(part, filled);
			filled += part.length;
			at += part.length;
			if (filled < frameBytes) continue;
			yield frame;
			frame = new Uint8Array(frameBytes);
			filled = 0;
		}
	}
	if (filled > 0) {
		throw new DataError("PSGL_SOURCE_CUT", {
			what: "a stream of frames ended inside one",
			got: `${filled} bytes`,
			expected: `${frameBytes} bytes a frame`,
			remedy: "Check the size and pixel format the program was told to write.",
		});
	}
}
