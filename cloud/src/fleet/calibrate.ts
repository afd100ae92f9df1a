import { cpus } from "node:os";
import type { Calibration, Scenario } from "@psgl/firmware-sim";
import { phantomSplits } from "@psgl/firmware-sim";
import { ClientSegment, type Random, type Runtime } from "@psgl/sdk";
import { type Artifact, decodeArtifact, sha256 } from "@psgl/sdk/artifact";
import { decodeEnvelope, encodeEnvelope } from "@psgl/sdk/protocol";
import { initialServerState, ServerSegment } from "../aggregator/server-segment.js";
import { PanelDevice } from "./panel-device.js";

/** Turns that are timed, after two that are not; the median counts. */
const turns = 9;

export interface CalibrationOptions {
	readonly artifact: Artifact;
	/** Bytes of the client half. */
	readonly client: Uint8Array;
	readonly scenario: Pick<Scenario, "model" | "training">;
	readonly runtime: Runtime;
	readonly random: Random;
	readonly signal?: AbortSignal | undefined;
}

/** Measures the parts of a training step on this machine, in processor time on one thread, with the graphs that devices and aggregator run. @throws the signal's reason. */
export async function calibrate(options: CalibrationOptions): Promise<Calibration> {
	const { artifact, client, scenario, runtime, random, signal } = options;
	const { batchSize, groupSize } = scenario.training;
	const data = phantomSplits({
		seed: 1,
		size: scenario.model.imageSize,
		train: 4 * batchSize,
		validation: 10,
		test: 10,
	});
	await using segment = new ClientSegment(runtime, await decodeArtifact(client), await sha256(client));
	const server = await ServerSegment.load(artifact, runtime, {
		threads: 1,
		classWeights: artifact.manifest.classes.map(() => 1),
		dtypes: ["float16"],
	});
	try {
		const device = new PanelDevice("calibration", { segment, data: data.train, poisoned: false, random });
		let state = initialServerState(artifact);
		const times = {
			forwardMs: [] as number[],
			backwardMs: [] as number[],
			serverStepMs: [] as number[],
			messageMs: [] as number[],
		};
		const timed = async <T>(name: keyof typeof times, work: () => Promise<T>): Promise<T> => {
			// Processor time: what else runs on the machine does not count.
			const before = process.cpuUsage();
			const result = await work();
			const { user, system } = process.cpuUsage(before);
			times[name].push((user + system) / 1000);
			return result;
		};
		for (let turn = 0; turn < turns + 2; turn++) {
			signal?.throwIfAborted();
			using batch = await timed("forwardMs", () => device.forward(batchSize));
			const part = { smashed: batch.smashed, labels: batch.labels };
			const group = Array.from({ length: groupSize }, () => part);
			const { next, parts } = await timed("serverStepMs", () => server.train(state, group, 0.001));
			state = next;
			const wire = await server.encode(batch.smashed, "float16");
			const labels = { dtype: "uint8" as const, dims: [batchSize], data: new Uint8Array(batchSize) };
			const tensors = { smashed: wire, labels };
			const envelope = encodeEnvelope({ type: "batch", device: "calibration", epoch: 1, seq: 0, model: 1, tensors });
			await timed("messageMs", async () => {
				const message = decodeEnvelope(envelope);
				if (message.type === "batch") await server.decode(message.tensors.smashed);
			});
			const { cutGradient } = parts[0] as (typeof parts)[number];
			await timed("backwardMs", () => batch.learn(cutGradient, 0.001));
		}
		const median = (name: keyof typeof times): number => {
			const sorted = times[name].slice(2).sort((a, b) => a - b);
			return Number((sorted[turns >> 1] as number).toFixed(3));
		};
		return {
			machine: `${cpus()[0]?.model ?? "unknown processor"}, ${runtime.version}, one thread`,
			forwardMs: median("forwardMs"),
			backwardMs: median("backwardMs"),
			serverStepMs: median("serverStepMs"),
			messageMs: median("messageMs"),
		};
	} finally {
		await server.close();
	}
}
