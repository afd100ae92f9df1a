/**
 * How long a device of a bundle takes from its start to its first smashed batch in the log of an aggregator on the same machine, and to
 * its first trained one, and its resident memory while it waits for a round. Its data are 80 pictures in an idx folder. Linux.
 *
 *     npm run --silent build && node build/bench/device-start.js [TURNS]
 */
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { arch, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { Aggregator, createMemoryLog, decodeEntry, startBroker } from "@psgl/cloud";
import { compileModel, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { decodeEnvelope } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

const turns = Number(process.argv[2] ?? 5);
const side = 28;
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), "psgl-bench-"));
try {
	const definition = presetDefinition("robust", zooNetwork("lenet"), [1, side, side], ["0", "1"]);
	const bytes = await compileModel(definition, { name: "start", random: seededRandom(1) });
	const file = join(folder, "model.psgl");
	await writeFile(file, bytes);
	const archive = join(folder, "device.tgz");
	const psgl = new URL("../../cloud/dist/cli/main.js", import.meta.url).pathname;
	await run(process.execPath, [psgl, "bundle", file, "--target", `linux-${arch()}`, "--quick", "-o", archive]);
	await run("tar", ["xzf", archive, "-C", folder]);
	await run("sh", [join(folder, "psgl-device", "install.sh"), join(folder, "installed")]);
	const data = await pictures(80);
	const artifact = await decodeArtifact(bytes);
	for (let turn = 0; turn < turns; turn++) {
		const { sent, reached } = await start(1, "step");
		const { resident } = await start(2, "artifact");
		console.log(
			`first batch in the aggregator's log after ${sent} ms, trained after ${reached} ms; waiting: ${resident} MiB resident; load ${loadavg()[0]?.toFixed(1)}`,
		);
	}

	/** Starts a device, and stops it at an event. */
	async function start(minDevices: number, awaited: string) {
		const log = createMemoryLog();
		let sent: number | undefined;
		const append = log.append.bind(log);
		log.append = (entry, options) => {
			const { channel, payload } = decodeEntry(entry);
			if (sent === undefined && channel === "up" && decodeEnvelope(payload).type === "batch") sent = since(begin);
			return append(entry, options);
		};
		await using broker = await startBroker({ port: 0, log });
		const settings = { rounds: 1, batchSize: 32, minDevices };
		await using _ = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings });
		const begin = performance.now();
		const args = ["device", "--json", "--id", "bench", "--url", broker.url, "--data", data];
		const child = spawn(join(folder, "installed", "psgl"), args, { stdio: ["ignore", "pipe", "inherit"] });
		for await (const line of createInterface(child.stdout)) {
			if ((JSON.parse(line) as { type: string }).type === awaited) break;
		}
		const reached = since(begin);
		// A device that waits gives memory back after a second.
		if (awaited === "artifact") await setTimeout(2000);
		const status = await readFile(`/proc/${child.pid}/status`, "utf8");
		const resident = Math.round(Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024);
		child.kill("SIGKILL");
		return { sent, reached, resident };
	}
} finally {
	await rm(folder, { recursive: true, force: true });
}

/** Writes a folder of idx files: noise of two classes that differ in brightness. */
async function pictures(count: number): Promise<string> {
	const path = join(folder, "own-pictures");
	await mkdir(path);
	const random = seededRandom(2);
	const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
	const pixels = Uint8Array.from({ length: count * side * side }, (_, i) => {
		return (labels[Math.floor(i / (side * side))] as number) * 100 + random.uniform() * 100;
	});
	await writeFile(join(path, "train-labels-idx1-ubyte"), Buffer.concat([idxHead([count]), labels]));
	await writeFile(join(path, "train-images-idx3-ubyte"), Buffer.concat([idxHead([count, side, side]), pixels]));
	return path;
}

/** Magic number and extents of bytes in an idx file. */
function idxHead(dims: readonly number[]): Uint8Array {
	const head = Buffer.alloc(4 + 4 * dims.length);
	head.writeUInt16BE(0x0800 + dims.length, 2);
	dims.forEach((extent, i) => {
		head.writeUInt32BE(extent, 4 + 4 * i);
	});
	return head;
}

function since(begin: number): number {
	return Math.round(performance.now() - begin);
}
