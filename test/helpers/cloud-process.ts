import type { AggregatorSettings } from "@psgl/cloud";
import { sha256 } from "@psgl/sdk/artifact";
import { startCloud } from "./cloud.js";
import { type Labels, smallModel } from "./small-model.js";

/**
 * Broker and aggregator in a process of their own, for tests that kill them: `fork(file, [port, checkpoint file, settings
 * as JSON, journal folder, where labels stay])`. Tells its parent the URL, the type of every event, and how training ended.
 */
// Nobody is left to kill it when the test's own process is gone.
process.on("disconnect", () => process.exit());
const [port, checkpointFile = "", settings = "{}", journal, labels = "shared"] = process.argv.slice(2);
const { joint } = await smallModel("none", { labels: labels as Labels });
await using cloud = await startCloud(joint, JSON.parse(settings) as AggregatorSettings, {
	port: Number(port),
	...(checkpointFile !== "" && { checkpointFile }),
	...(journal !== undefined && { journal }),
});
process.send?.({ type: "listening", url: cloud.url });
for await (const { type } of cloud.aggregator.events()) {
	process.send?.({ type });
	if (type === "end") break;
}
const { rounds, reason, counts, artifact } = await cloud.aggregator.result;
const digest = await sha256(artifact);
await new Promise((sent) => process.send?.({ type: "result", rounds, reason, counts, digest }, sent));
process.disconnect();
