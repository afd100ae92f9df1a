import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Aggregator, startBroker } from "@psgl/cloud";
import { runFleet } from "@psgl/firmware-sim";
import { type Runtime, type Session, seededRandom, type Tensors } from "@psgl/sdk";
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

/** Processor time of a run of eight devices in one process, and of its graphs alone: what else the machine does counts in neither. */
export interface OverlapRow {
	readonly seconds: number;
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

/** Eight devices, broker and aggregator in this process: how much of its work is not in graphs. */
export async function measureOverlap(picture: Picture): Promise<OverlapRow> {
	const graphs: Counted[] = [];
	const runtime = counting(nodeRuntime, graphs);
	const artifact = await artifactOf(psglDefinition(picture));
	const data = splits(picture, 8);
	await using broker = await startBroker({ port: 0 });
	const settings = { rounds: 3, minDevices: devices, batchSize: 32 };
	await using aggregator = await Aggregator.start({ artifact, runtime, broker, settings });
	let before = process.cpuUsage();
	const following = (async () => {
		for await (const event of aggregator.events()) {
			if (event.type === "round" && event.round === 1) {
				// The first round compiles graphs.
				before = process.cpuUsage();
				for (const graph of graphs) graph.runs = 0;
			}
			if (event.type === "round" && event.round === settings.rounds) return process.cpuUsage(before);
		}
		throw new Error("training ended early");
	})();
	for await (const event of runFleet({ url: broker.url, devices, data, seed: 1, runtime })) {
		if (event.type === "failed") throw event.error;
	}
	const { user, system } = await following;
	const seconds = (user + system) / 1e6;
	const graphSeconds = await aloneSeconds(graphs);
	for (const { session } of graphs) await session.close();
	const ratio = Number((seconds / graphSeconds).toFixed(3));
	return { seconds: Number(seconds.toFixed(2)), graphSeconds: Number(graphSeconds.toFixed(2)), ratio, load: load() };
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

/** A graph, how often it ran, and with what. */
interface Counted {
	readonly session: Session;
	runs: number;
	feeds: Tensors | undefined;
}

/** The runtime, and how often its graphs ran; they stay open until `graphs` are closed. */
function counting(runtime: Runtime, graphs: Counted[]): Runtime {
	return {
		version: runtime.version,
		load: async (model, options) => {
			const session = await runtime.load(model, options);
			const graph: Counted = { session, runs: 0, feeds: undefined };
			graphs.push(graph);
			const { inputNames, outputNames } = session;
			const close = async () => undefined;
			const run: Session["run"] = (feeds, ...rest) => {
				graph.runs++;
				graph.feeds = feeds;
				return session.run(feeds, ...rest);
			};
			return { inputNames, outputNames, run, close, [Symbol.asyncDispose]: close };
		},
	};
}

/** Processor seconds that the runs of all graphs take, each run alone: the median of some, times their number. */
async function aloneSeconds(graphs: readonly Counted[]): Promise<number> {
	let seconds = 0;
	for (const { session, runs, feeds } of graphs) {
		if (feeds === undefined || runs === 0) continue;
		const times: number[] = [];
		for (let i = 0; i < 9; i++) times.push(await processorSeconds(() => session.run(feeds)));
		seconds += runs * quantile(times, 0.5);
	}
	return seconds;
}

async function processorSeconds(work: () => Promise<unknown>): Promise<number> {
	const before = process.cpuUsage();
	await work();
	const { user, system } = process.cpuUsage(before);
	return (user + system) / 1e6;
}

const load = () => Number(loadavg()[0]?.toFixed(2));
