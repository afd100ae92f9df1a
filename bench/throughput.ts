import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Aggregator, startBroker } from "@psgl/cloud";
import { runFleet } from "@psgl/firmware-sim";
import { type Runtime, seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, Dataset } from "@psgl/sdk/sources";
import { started, told } from "./idle-connections.js";
import { quantile } from "./paired.js";
import { artifactOf, type Picture, psglDefinition } from "./pieces.js";

const devices = 8;

/** Steps over MQTT with eight devices. */
export interface ThroughputRow {
	/** Steps a second of all devices together, median over the turns. */
	readonly steps: number;
	/** Of the PyTorch reference with one device, in the turns between; undefined where it cannot run. */
	readonly reference: number | undefined;
	readonly ratio: number | undefined;
	readonly load: number;
}

/** Time of a run of eight devices in one process, and of the graphs in it. */
export interface OverlapRow {
	readonly wallSeconds: number;
	readonly graphSeconds: number;
	readonly ratio: number;
	readonly load: number;
}

/** Eight devices in one process and the cloud in another, and PyTorch with paho and Mosquitto, in turns. */
export async function measureThroughput(picture: Picture, turns: number): Promise<ThroughputRow> {
	const own: number[] = [];
	const theirs: number[] = [];
	for (let turn = 0; turn < turns; turn++) {
		own.push(await stepsPerSecond(picture));
		const other = await referenceSteps(picture);
		if (other !== undefined) theirs.push(other);
	}
	const steps = Number(quantile(own, 0.5).toFixed(1));
	const reference = theirs.length === 0 ? undefined : Number(quantile(theirs, 0.5).toFixed(1));
	const ratios = own.flatMap((value, i) => (theirs[i] === undefined ? [] : [value / (theirs[i] as number)]));
	const ratio = ratios.length === 0 ? undefined : Number(quantile(ratios, 0.5).toFixed(2));
	return { steps, reference, ratio, load: load() };
}

/** Eight devices, broker and aggregator in this process: how much of the time is not spent in graphs. */
export async function measureOverlap(picture: Picture): Promise<OverlapRow> {
	const busy = { ms: 0 };
	const runtime = timing(nodeRuntime, busy);
	const artifact = await artifactOf(psglDefinition(picture));
	const data = splits(picture, 8);
	await using broker = await startBroker({ port: 0 });
	const settings = { rounds: 3, minDevices: devices, batchSize: 32 };
	await using aggregator = await Aggregator.start({ artifact, runtime, broker, settings });
	let startedAt = 0;
	const following = (async () => {
		for await (const event of aggregator.events()) {
			// The first round compiles graphs.
			if (event.type === "round" && event.round === 1) [startedAt, busy.ms] = [performance.now(), 0];
			if (event.type === "round" && event.round === settings.rounds)
				return [performance.now() - startedAt, busy.ms] as const;
		}
		throw new Error("training ended early");
	})();
	for await (const event of runFleet({ url: broker.url, devices, data, seed: 1, runtime })) {
		if (event.type === "failed") throw event.error;
	}
	const [wall, graphs] = await following;
	const seconds = (ms: number) => Number((ms / 1000).toFixed(2));
	return {
		wallSeconds: seconds(wall),
		graphSeconds: seconds(graphs),
		ratio: Number((wall / graphs).toFixed(3)),
		load: load(),
	};
}

async function stepsPerSecond(picture: Picture): Promise<number> {
	const settings = { rounds: 2, minDevices: devices, batchSize: 32 };
	const cloud = started("cloud-under-test", JSON.stringify(settings), JSON.stringify(picture));
	try {
		const { port } = await told<{ port: number }>(cloud, "port");
		const rates: number[] = [];
		const url = `mqtt://127.0.0.1:${port}`;
		cloud.on("message", (message) => {
			if (typeof message === "object" && message !== null && "stepsPerSecond" in message) {
				rates.push(message.stepsPerSecond as number);
			}
		});
		const ended = told(cloud, "counts");
		for await (const event of runFleet({ url, devices, data: splits(picture, 8), seed: 1, runtime: nodeRuntime })) {
			if (event.type === "failed") throw event.error;
		}
		await ended;
		// The first round compiles graphs.
		return rates.at(-1) as number;
	} finally {
		cloud.kill();
	}
}

/** Steps a second of the reference over MQTT, map from a local head; undefined where Python, PyTorch, paho or Mosquitto is missing. */
async function referenceSteps({ channels, size }: Picture): Promise<number | undefined> {
	const script = fileURLToPath(new URL("../../../shared/baseline/mqtt_step.py", import.meta.url));
	const folder = await mkdtemp(join(tmpdir(), "psgl-bench-"));
	try {
		const out = join(folder, "mqtt.json");
		const args = [script, "--only", `psgl-aux:${channels}:${size}:32:1`, "--steps", "40", "--out", out];
		const child = spawn("/usr/bin/python3", args, { stdio: "ignore" });
		await new Promise((resolve) => child.on("close", resolve).on("error", resolve));
		const results = JSON.parse(await readFile(out, "utf8")) as Record<string, { steps_s: number }>;
		return Object.values(results)[0]?.steps_s;
	} catch {
		return undefined;
	} finally {
		await rm(folder, { recursive: true });
	}
}

/** Pictures of noise, whose classes nothing tells: steps take their time all the same. */
function splits({ channels, size }: Picture, batches: number): DataSplits {
	const random = seededRandom(1);
	const part = (count: number) => {
		const samples = Uint8Array.from({ length: count * channels * size * size }, () => random.integer(256));
		const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
		return new Dataset({ shape: [channels, size, size], classes: ["a", "b"], labels, samples });
	};
	return {
		name: "noise",
		synthetic: true,
		train: part(devices * batches * 32),
		validation: part(devices),
		test: part(10),
	};
}

/** The runtime, and how long its graphs ran. */
function timing(runtime: Runtime, busy: { ms: number }): Runtime {
	return {
		version: runtime.version,
		load: async (model, options) => {
			const session = await runtime.load(model, options);
			const run: typeof session.run = async (...args) => {
				const start = performance.now();
				try {
					return await session.run(...args);
				} finally {
					busy.ms += performance.now() - start;
				}
			};
			return new Proxy(session, { get: (target, name) => (name === "run" ? run : Reflect.get(target, name, target)) });
		},
	};
}

const load = () => Number(loadavg()[0]?.toFixed(2));
