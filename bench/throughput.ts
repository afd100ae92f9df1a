import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type AggregatorSettings, useRoomyHeap } from "@psgl/cloud";
import { runFleet } from "@psgl/firmware-sim";
import { seededRandom } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, Dataset } from "@psgl/sdk/sources";
import { started, told } from "./idle-connections.js";
import { quantile } from "./paired.js";
import type { Picture } from "./pieces.js";

const devices = 8;

/** Steps over MQTT with eight devices. */
export interface ThroughputRow {
	/** Steps a second of all devices together, median over the turns. */
	readonly steps: number;
	/** Of the PyTorch reference with one device, in the turns between; undefined where it cannot run. */
	readonly reference: number | undefined;
	/** Median over the turns. */
	readonly ratio: number | undefined;
	/** Steps and ratio where the batches of four devices make one step of the optimiser, psgl's default; the reference makes one for each batch. */
	readonly stepsOfFour: number;
	readonly ratioOfFour: number | undefined;
	readonly load: number;
}

/** Rounds of eight devices, and of them the time of the cloud's graphs. */
export interface OverlapRow {
	readonly seconds: number;
	/** By the clock, all graphs the cloud ran. */
	readonly graphSeconds: number;
	readonly ratio: number;
	readonly load: number;
}

/** What the cloud tells after a round. */
interface RoundTold {
	readonly stepsPerSecond: number;
	/** Since its process started. */
	readonly seconds: number;
	readonly graphSeconds: number;
}

/** Eight devices in one process and the cloud in another, and PyTorch with paho and Mosquitto, in turns. */
export async function measureThroughput(picture: Picture, turns: number): Promise<ThroughputRow> {
	const [single, ofFour, theirs]: [number[], number[], number[]] = [[], [], []];
	for (let turn = 0; turn < turns; turn++) {
		single.push(await stepsPerSecond(picture, 1));
		const other = await referenceSteps(picture);
		if (other !== undefined) theirs.push(other);
		ofFour.push(await stepsPerSecond(picture, 4));
	}
	const ratio = (own: readonly number[]) =>
		theirs.length < turns
			? undefined
			: median(
					own.map((value, i) => value / (theirs[i] as number)),
					2,
				);
	return {
		steps: median(single, 1),
		reference: theirs.length < turns ? undefined : median(theirs, 1),
		ratio: ratio(single),
		stepsOfFour: median(ofFour, 1),
		ratioOfFour: ratio(ofFour),
		load: load(),
	};
}

/** Eight devices in this process and the cloud in another: how long its rounds take over what its graphs take. */
export async function measureOverlap(picture: Picture): Promise<OverlapRow> {
	const rounds = await trainedRounds(picture, { rounds: 4 });
	// The first round compiles graphs.
	const [from, to] = [rounds[0], rounds.at(-1)] as [RoundTold, RoundTold];
	const [seconds, graphSeconds] = [to.seconds - from.seconds, to.graphSeconds - from.graphSeconds];
	const ratio = Number((seconds / graphSeconds).toFixed(3));
	return { seconds: Number(seconds.toFixed(2)), graphSeconds: Number(graphSeconds.toFixed(2)), ratio, load: load() };
}

/**
 * Rounds of a turn, and those before what is measured: graphs are compiled in them, and most of the program. PyTorch's first steps do not count
 * either. Where a step is short, JavaScript's compiler is at work for longer than its first ten seconds.
 */
function roundsOf({ channels, size }: Picture): { readonly all: number; readonly before: number } {
	return channels * size * size < 2000 ? { all: 20, before: 12 } : { all: 10, before: 5 };
}

async function stepsPerSecond(picture: Picture, groupSize: number): Promise<number> {
	const rounds = roundsOf(picture);
	const told = await trainedRounds(picture, { rounds: rounds.all, groupSize });
	return median(
		told.slice(rounds.before).map((round) => round.stepsPerSecond),
		2,
	);
}

async function trainedRounds(picture: Picture, own: AggregatorSettings): Promise<readonly RoundTold[]> {
	// As `psgl fleet` does.
	useRoomyHeap();
	const settings = { minDevices: devices, batchSize: 32, ...own };
	const cloud = started("cloud-under-test", JSON.stringify(settings), JSON.stringify(picture));
	try {
		const { port } = await told<{ port: number }>(cloud, "port");
		const rounds: RoundTold[] = [];
		const url = `mqtt://127.0.0.1:${port}`;
		cloud.on("message", (message) => {
			if (typeof message === "object" && message !== null && "stepsPerSecond" in message)
				rounds.push(message as RoundTold);
		});
		const ended = told(cloud, "counts");
		for await (const event of runFleet({ url, devices, data: splits(picture, 8), seed: 1, runtime: nodeRuntime })) {
			if (event.type === "failed") throw event.error;
		}
		await ended;
		return rounds;
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

const median = (values: readonly number[], digits: number) => Number(quantile(values, 0.5).toFixed(digits));
const load = () => Number(loadavg()[0]?.toFixed(2));
