import { CloudMetrics, createMemoryLog } from "@psgl/cloud";

/** docs/metrics.md as it has to be: every metric of psgl's own by name, kind, labels and meaning. */
export async function metricsPage(): Promise<string> {
	const metrics = new CloudMetrics("0");
	await using log = createMemoryLog();
	metrics.log(log);
	const own = metrics.describe().filter(({ name }) => name.startsWith("psgl_"));
	metrics.close();
	const rows = own.map(
		({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${unitOf(name)} | ${labels.join(", ")} | ${help} |`,
	);
	return `# Metrics

Made by \`npm run metrics-table\` from the sources. \`psgl cloud --metrics-port 9464\` answers on loopback, without TLS or log-in, for programs on
this machine. With \`--web-port\` the [operations page](operations.md) has the same paths behind TLS and log-in.

| path | answers |
|---|---|
| \`/metrics\` | Prometheus' text format: the metrics below, and those of the process (\`process_…\`, \`nodejs_…\`) |
| \`/healthz\` | 200 while the process answers |
| \`/readyz\` | 200 when devices are served; 503 with the reason while the cloud starts (it replays its log) or ends |

Labels are streams, directions, outcomes and error codes, never devices; nothing of data or labels is in them. Totals of a round appear when it is finished.

| metric | kind | unit | labels | meaning |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

/** What a value counts or measures, as the name's end says it. */
function unitOf(name: string): string {
	if (name.endsWith("_seconds")) return "seconds";
	if (name.endsWith("_bytes") || name.endsWith("_bytes_total")) return "bytes";
	if (name.endsWith("_ratio")) return "0 to 1";
	if (name.endsWith("_percentage")) return "%";
	if (name.endsWith("_per_second")) return "1/s";
	if (name.endsWith("_loss")) return "nats";
	return "count";
}
