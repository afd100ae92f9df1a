/** Broker and aggregator in a process of their own, for benchmarks. Its parent starts it, asks with `memory` and `decisions`, and reads rounds as they end and counts at the end. */
import { readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Aggregator, type AggregatorSettings, startBroker, useRoomyHeap } from "@psgl/cloud";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { GraphTimes } from "./graph-times.js";
import { artifactOf, type Picture, psglDefinition } from "./pieces.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

// As `psgl cloud` does.
useRoomyHeap();
process.on("disconnect", () => process.exit());
const settings = JSON.parse(process.argv[2] ?? "{}") as AggregatorSettings;
const picture = JSON.parse(process.argv[3] ?? '{"channels":1,"size":28}') as Picture;
const artifact = await artifactOf(psglDefinition(picture));
const broker = await startBroker({ port: 0 });
const graphs = new GraphTimes(nodeRuntime);
const aggregator = await Aggregator.start({ artifact, runtime: graphs, broker, settings });
process.on("message", async (message) => {
	if (message === "decisions") process.send?.(graphs.decisions);
	if (message !== "memory") return;
	collect();
	const status = await readFile("/proc/self/status", "utf8");
	const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
	process.send?.({ residentKib: kib("VmRSS"), peakKib: kib("VmHWM"), heapKib: process.memoryUsage().heapUsed / 1024 });
});
void (async () => {
	for await (const event of aggregator.events()) {
		if (event.type !== "round") continue;
		const { stepsPerSecond } = event;
		process.send?.({ stepsPerSecond, seconds: performance.now() / 1000, graphSeconds: graphs.seconds });
	}
})();
aggregator.result.then(({ counts, seconds }) => process.send?.({ counts, seconds })).catch(() => process.exit(1));
process.send?.({ port: broker.port });
