/**
 * Training steps a second of one device for windows of 1, 2, 4 and 8 batches in flight, over links on which every byte takes a while:
 * `npm run --silent build && node build/bench/pipelining.js [DELAY_MS,...]` (default 0,50,200: the time one way). Broker and aggregator run in
 * a process of their own. Ratios are of one run of this program.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { Aggregator, startBroker } from "@psgl/cloud";
import { DelayedLink, phantomSplits } from "@psgl/firmware-sim";
import { compileArtifact, presetDefinition, zooNetwork } from "@psgl/models";
import { Device, seededRandom, systemClock } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

const windows = [1, 2, 4, 8];
const batchSize = 16;
/** Batches of the one round; the first ones are not counted, as graphs are compiled then. */
const batches = 48;
const warmUp = 12;

if (process.argv[2] === "cloud") await serve(Number(process.argv[3]));
else await measure((process.argv[2] ?? "0,50,200").split(",").map(Number));

/** Broker and aggregator, until the parent has enough. */
async function serve(window: number): Promise<void> {
	process.on("disconnect", () => process.exit());
	const { classes, shape } = data();
	const definition = presetDefinition("robust", zooNetwork("lenet"), shape, classes);
	const artifact = await compileArtifact(definition, { name: "bench", random: seededRandom(1) });
	const broker = await startBroker({ port: 0 });
	const settings = { rounds: 1, batchSize, averageEvery: 0, window };
	await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings });
	process.send?.(broker.url);
}

function data() {
	return phantomSplits({ seed: 1, train: batches * batchSize, validation: 10, test: 10 }).train;
}

async function measure(delays: readonly number[]): Promise<void> {
	const train = data();
	for (const delayMs of delays) {
		let one: number | undefined;
		for (const window of windows) {
			const speed = await stepsPerSecond(train, delayMs, window);
			one ??= speed;
			const row = {
				delayMs,
				window,
				stepsPerSecond: Number(speed.toFixed(2)),
				ratio: Number((speed / one).toFixed(2)),
			};
			console.log(JSON.stringify({ ...row, load: Number(loadavg()[0]?.toFixed(1)) }));
		}
	}
}

async function stepsPerSecond(train: ReturnType<typeof data>, delayMs: number, window: number): Promise<number> {
	const cloud = fork(fileURLToPath(import.meta.url), ["cloud", String(window)]);
	const [url] = (await once(cloud, "message")) as [string];
	await using link = await DelayedLink.start({ port: Number(new URL(url).port), delayMs, clock: systemClock });
	const device = await Device.connect({ url: link.url, id: "bench", runtime: nodeRuntime, data: { train } });
	let begin = 0;
	let end = 0;
	for await (const event of device.train()) {
		if (event.type !== "step") continue;
		if (event.seq === warmUp) begin = performance.now();
		end = performance.now();
	}
	await device.close();
	cloud.disconnect();
	return (batches - 1 - warmUp) / ((end - begin) / 1000);
}
