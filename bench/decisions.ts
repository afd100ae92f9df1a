import { loadavg } from "node:os";
import { started, told } from "./idle-connections.js";
import { quantile } from "./paired.js";
import type { Picture } from "./pieces.js";

const devices = 16;
const seconds = 20;

/** Milliseconds from when a request was due to its decision, client segment and map included. */
export interface DecisionsRow {
	readonly requests: number;
	readonly medianMs: number;
	readonly p99Ms: number;
	readonly mostMs: number;
	/** Requests the aggregator computed in a run, on average. */
	readonly perRun: number;
	/** Requests without an answer in time, which the local head decided. */
	readonly unanswered: number;
	readonly load: number;
}

/** Sixteen devices in a process of their own ask a cloud in another, `rate` times a second together, at random moments that no answer moves. */
export async function measureDecisions({ channels, size }: Picture, rate: number): Promise<DecisionsRow> {
	const cloud = started("cloud-under-test", JSON.stringify({ rounds: 0 }), JSON.stringify({ channels, size }));
	try {
		const { port } = await told<{ port: number }>(cloud, "port");
		const given = [port, devices, rate, seconds, channels, size].map(String);
		const clients = started("decision-clients", ...given);
		const { delays, alone } = await told<{ delays: readonly number[]; alone: number }>(clients, "delays");
		cloud.send("decisions");
		const { samples, runs } = await told<{ samples: number; runs: number }>(cloud, "runs");
		clients.disconnect();
		const at = (share: number) => Number(quantile(delays, share).toFixed(1));
		return {
			requests: delays.length,
			medianMs: at(0.5),
			p99Ms: at(0.99),
			mostMs: at(1),
			perRun: Number((samples / runs).toFixed(2)),
			unanswered: alone,
			load: Number(loadavg()[0]?.toFixed(2)),
		};
	} finally {
		cloud.kill();
	}
}
