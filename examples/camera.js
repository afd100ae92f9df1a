/**
 * Decides on frames of a camera: `node examples/camera.js mqtt://broker:1883 ward-3 [PROGRAM ARGUMENT ...]`. The program writes grey frames
 * of 28x28 bytes to its standard output; without one, ffmpeg reads /dev/video0. Ends when the camera does.
 */
import { spawn } from "node:child_process";
import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { liveSamples, rawFrames } from "@psgl/sdk/sources/live";

const ffmpeg = "ffmpeg -loglevel error -f v4l2 -i /dev/video0 -vf scale=28:28 -f rawvideo -pix_fmt gray -".split(" ");
const [url, id, ...given] = process.argv.slice(2);
const [program, ...args] = given.length > 0 ? given : ffmpeg;

const device = await Device.connect({ url, id, runtime: nodeRuntime });
try {
	const { inputShape, classes } = await device.ready();
	const [, height, width] = inputShape;
	const camera = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
	const frames = rawFrames(camera.stdout, height * width);
	const convert = (frame) => Float32Array.from(frame, (grey) => grey / 255);
	for await (const event of liveSamples(frames, { shape: inputShape, convert })) {
		if (event.type === "sample") {
			const { x, provenance } = event;
			const { classes: found, source } = await device.infer({ ...x, dims: [1, ...x.dims] });
			console.log(JSON.stringify({ frame: provenance.frame, class: classes[found[0]], source }));
		} else if (event.error !== undefined) console.error(event.error.message);
	}
} finally {
	await device.close();
}
