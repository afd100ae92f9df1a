/**
 * How long a device of a bundle takes from its start to its first trained batch, with an aggregator on the same machine, and its
 * resident memory while it waits for a round. Linux.
 *
 *     npm run --silent build && node build/bench/device-start.js [TURNS]
 */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { arch, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { Aggregator, startBroker } from "@psgl/cloud";
import { compileModel, presetDefinition, zooNetwork } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

const turns = Number(process.argv[2] ?? 5);
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), "psgl-bench-"));
try {
	const definition = presetDefinition("robust", zooNetwork("lenet"), [1, 28, 28], ["normal", "opacity"]);
	const bytes = await compileModel(definition, { name: "start", random: seededRandom(1) });
	const file = join(folder, "model.psgl");
	await writeFile(file, bytes);
	const archive = join(folder, "device.tgz");
	const psgl = new URL("../../cloud/dist/cli/main.js", import.meta.url).pathname;
	await run(process.execPath, [psgl, "bundle", file, "--target", `linux-${arch()}`, "--quick", "-o", archive]);
	await run("tar", ["xzf", archive, "-C", folder]);
	await run("sh", [join(folder, "psgl-device", "install.sh"), join(folder, "installed")]);
	const artifact = await decodeArtifact(bytes);
	for (let turn = 0; turn < turns; turn++) {
		const { trained } = await start(1, "step");
		const { resident } = await start(2, "artifact");
		const load = loadavg()[0]?.toFixed(1);
		console.log(`first batch trained after ${trained} ms; waiting: ${resident} MiB resident; load ${load}`);
	}

	/** Starts a device, and stops it at an event. */
	async function start(minDevices: number, awaited: string) {
		await using broker = await startBroker({ port: 0 });
		const settings = { rounds: 1, batchSize: 32, minDevices };
		await using _ = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings });
		const begin = performance.now();
		const args = ["device", "--json", "--id", "bench", "--url", broker.url, "--samples", "64", "--image-size", "28"];
		const child = spawn(join(folder, "installed", "psgl"), args, { stdio: ["ignore", "pipe", "ignore"] });
		for await (const line of createInterface(child.stdout)) {
			if ((JSON.parse(line) as { type: string }).type === awaited) break;
		}
		const trained = Math.round(performance.now() - begin);
		const status = await readFile(`/proc/${child.pid}/status`, "utf8");
		const resident = Math.round(Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024);
		child.kill("SIGKILL");
		return { trained, resident };
	}
} finally {
	await rm(folder, { recursive: true, force: true });
}
