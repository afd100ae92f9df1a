/** Broker and aggregator in a process of their own, for benchmarks of their memory. Its parent starts it, asks with `memory`, and reads counts at the end. */
import { readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Aggregator, type AggregatorSettings, startBroker } from "@psgl/cloud";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { artifactOf, type Picture, psglDefinition } from "./pieces.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

process.on("disconnect", () => process.exit());
const settings = JSON.parse(process.argv[2] ?? "{}") as AggregatorSettings;
const picture = JSON.parse(process.argv[3] ?? '{"channels":1,"size":28}') as Picture;
const artifact = await artifactOf(psglDefinition(picture));
const broker = await startBroker({ port: 0 });
const aggregator = await Aggregator.start({ artifact, runtime: nodeRuntime, broker, settings });
process.on("message", async (message) => {
	if (message !== "memory") return;
	collect();
	const status = await readFile("/proc/self/status", "utf8");
	const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
	process.send?.({ residentKib: kib("VmRSS"), peakKib: kib("VmHWM"), heapKib: process.memoryUsage().heapUsed / 1024 });
});
void (async () => {
	for await (const event of aggregator.events()) {
		if (event.type === "round") process.send?.({ stepsPerSecond: event.stepsPerSecond });
	}
})();
aggregator.result.then(({ counts, seconds }) => process.send?.({ counts, seconds })).catch(() => process.exit(1));
process.send?.({ port: broker.port });
