import { loadavg } from "node:os";
import { phantomSplits, runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { memoryOf, started, told } from "./idle-connections.js";

/** A round of many devices that train at the same time. */
export interface RoundRow {
	readonly devices: number;
	/** Devices that gave up. */
	readonly failed: number;
	readonly steps: number;
	readonly lost: number;
	readonly doubled: number;
	readonly seconds: number;
	/** Largest resident memory of broker and aggregator, and of the process with all devices, MiB. */
	readonly cloudMib: number;
	readonly fleetMib: number;
	readonly load: number;
}

/** Samples of a device, and of a batch: one batch each. */
const samples = 16;

/** One round of `devices` production devices of 1x28x28 pictures, over MQTT to a cloud in a process of its own. */
export async function measureRound(devices: number): Promise<RoundRow> {
	const settings = {
		rounds: 1,
		minDevices: devices,
		batchSize: samples,
		stepTimeoutMs: 600_000,
		roundTimeoutMs: 600_000,
	};
	const cloud = started("cloud-under-test", JSON.stringify(settings));
	try {
		const { port } = await told<{ port: number }>(cloud, "port");
		const ended = told<{ counts: { lost: number; doubled: number }; seconds: number }>(cloud, "counts");
		const data = phantomSplits({ seed: 1, train: devices * samples, validation: devices, test: 10 });
		const url = `mqtt://127.0.0.1:${port}`;
		let [failed, steps] = [0, 0];
		for await (const event of runFleet({ url, devices, data, seed: 1, runtime: nodeRuntime })) {
			if (event.type === "failed") console.error(event.device, event.error);
			if (event.type === "finished") [failed, steps] = [event.failed, event.steps];
		}
		const { counts, seconds } = await ended;
		const { peakKib } = await memoryOf(cloud);
		const mib = (kib: number) => Math.round(kib / 1024);
		return {
			devices,
			failed,
			steps,
			lost: counts.lost,
			doubled: counts.doubled,
			seconds: Number(seconds.toFixed(1)),
			cloudMib: mib(peakKib),
			fleetMib: mib(process.resourceUsage().maxRSS),
			load: Number(loadavg()[0]?.toFixed(2)),
		};
	} finally {
		cloud.kill();
	}
}
