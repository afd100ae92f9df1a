/**
 * Decides on frames of a camera: `node examples/camera.js mqtt://broker:1883 ward-3 [PROGRAM ARGUMENT ...]`. The program writes grey frames
 * of the model's size to its standard output; without one, ffmpeg reads /dev/video0. Ends when the camera does, with 1 when it failed, so that
 * a unit with `Restart=on-failure` starts it again.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Device } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { liveSamples, rawFrames } from "@psgl/sdk/sources/live";

const [url, id, ...given] = process.argv.slice(2);

const device = await Device.connect({ url, id, runtime: nodeRuntime });
try {
	const { inputShape, classes } = await device.ready();
	const [, height, width] = inputShape;
	const ffmpeg = `ffmpeg -loglevel error -f v4l2 -i /dev/video0 -vf scale=${width}:${height} -f rawvideo -pix_fmt gray -`;
	const [program, ...args] = given.length > 0 ? given : ffmpeg.split(" ");
	const camera = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
	const ended = once(camera, "close").catch((error) => [error.message]);
	const frames = rawFrames(camera.stdout, height * width);
	const convert = (frame) => Float32Array.from(frame, (grey) => grey / 255);
	for await (const event of liveSamples(frames, { shape: inputShape, convert })) {
		if (event.type === "sample") {
			const { x, provenance } = event;
			const { classes: found, source } = await device.infer({ ...x, dims: [1, ...x.dims] });
			console.log(JSON.stringify({ frame: provenance.frame, class: classes[found[0]], source }));
		} else if (event.error !== undefined) {
			console.error(event.error.message);
			// A program that hangs does not end by itself.
			if (event.type === "end") camera.kill();
		}
	}
	const [status, signal] = await ended;
	if (status !== 0) {
		console.error(`${program} ended: ${status ?? signal}`);
		process.exitCode = 1;
	}
} finally {
	await device.close();
}
