import { once } from "node:events";
import { connect } from "node:net";
import { cloudLimits, createMemoryLog, Operations } from "@psgl/cloud";
import { runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import mqtt from "mqtt";
import { startCloud } from "../helpers/cloud.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

async function open(t: ExecutionContext) {
	const operations = await Operations.start({ port: 0, version: "1.2.3" });
	t.teardown(() => operations[Symbol.asyncDispose]());
	return { operations, url: operations.url as string };
}

/** Samples of Prometheus' text format by name and labels. */
function samplesOf(text: string): ReadonlyMap<string, number> {
	const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
	return new Map(
		lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
	);
}

test("the metrics of a run say what the run says of itself", async (t) => {
	const { operations, url } = await open(t);
	const { joint } = await smallModel("robust");
	const settings = { rounds: 2, batchSize: 6, minDevices: 3, seed: 1 };
	await using cloud = await startCloud(joint, settings, { onBrokerEvent: (event) => operations.metrics.broker(event) });
	operations.watch(cloud.broker.log);
	const following = (async () => {
		for await (const event of cloud.aggregator.events()) {
			operations.metrics.aggregator(event);
			if (event.type === "end") break;
		}
	})();
	const data = {
		name: "small",
		synthetic: true,
		train: smallDataset(48),
		validation: smallDataset(24, 2),
		test: smallDataset(2, 3),
	};
	for await (const _ of runFleet({ url: cloud.url, devices: 3, data, seed: 5, runtime: nodeRuntime }));
	const { counts, traffic, validation } = await cloud.aggregator.result;
	await following;
	const stranger = mqtt.connect(cloud.url, { clientId: "no id!", reconnectPeriod: 0 });
	stranger.on("error", () => undefined);
	await new Promise<void>((resolve) => stranger.once("close", () => resolve()));

	const response = await fetch(`${url}/metrics`);
	t.is(response.status, 200);
	t.regex(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
	const samples = samplesOf(await response.text());
	t.is(samples.get('psgl_build_info{version="1.2.3"}'), 1);
	t.is(samples.get('psgl_batches_total{outcome="applied"}'), counts.applied);
	t.is(samples.get('psgl_batches_total{outcome="refused"}'), 0);
	t.is(samples.get("psgl_samples_total"), counts.samples);
	t.is(samples.get("psgl_round"), 2);
	t.is(samples.get("psgl_rounds_planned"), 2);
	t.is(samples.get('psgl_validation_accuracy_ratio{stream="fused"}'), validation?.fused?.accuracy);
	t.true((samples.get('psgl_payload_bytes_total{direction="up"}') as number) > 0);
	t.true((samples.get('psgl_payload_bytes_total{direction="up"}') as number) <= traffic.bytesUp);
	t.is(samples.get('psgl_refusals_total{by="broker",code="PSGL_BROKER_CLIENT_ID"}'), 1);
	t.is(samples.get("psgl_connections"), 0, "the fleet has left");
	t.is(samples.get("psgl_log_end"), cloud.broker.log.end);
	t.true((samples.get("process_resident_memory_bytes") as number) > 2 ** 20);
});

test("it is alive at once, ready when it serves, and says why it is not", async (t) => {
	const { operations, url } = await open(t);
	t.is((await fetch(`${url}/healthz`)).status, 200);
	const starting = await fetch(`${url}/readyz`);
	t.is(starting.status, 503);
	t.deepEqual(await starting.json(), { ready: false, reason: "starting" });
	await using log = createMemoryLog();
	operations.watch(log);
	const ready = await fetch(`${url}/readyz`);
	t.is(ready.status, 200);
	t.deepEqual(await ready.json(), { ready: true });
	t.is(await (await fetch(`${url}/readyz`, { method: "HEAD" })).text(), "");
});

test("nothing else is to be had there", async (t) => {
	const { url } = await open(t);
	t.is((await fetch(`${url}/`)).status, 404);
	t.is((await fetch(`${url}/metrics/../secret`)).status, 404);
	const posted = await fetch(`${url}/metrics`, { method: "POST", body: "x" });
	t.is(posted.status, 405);
	t.is(posted.headers.get("allow"), "GET, HEAD");
});

test("a port that is in use is a typed error; without a port nothing listens", async (t) => {
	const { url } = await open(t);
	const port = Number(new URL(url).port);
	await t.throwsAsync(Operations.start({ port, version: "1" }), { code: "PSGL_PORT_IN_USE" });
	await using silent = await Operations.start({ port: undefined, version: "1" });
	t.is(silent.url, undefined);
});

test("a request that does not arrive within operationsTimeoutMs is given up, and meanwhile others have their answer", async (t) => {
	const { url } = await open(t);
	const slow = connect(Number(new URL(url).port), "127.0.0.1");
	slow.write("GET /healthz HTTP/1.1\r\nHost: here\r\n");
	const ended = once(slow, "close");
	let answer = "";
	slow.setEncoding("latin1").on("data", (part: string) => {
		answer += part;
	});
	t.is((await fetch(`${url}/healthz`)).status, 200);
	await ended;
	t.regex(answer, /^HTTP\/1\.1 408 /);
});

test("more connections than operationsConnections are dropped", async (t) => {
	const { url } = await open(t);
	const { port } = new URL(url);
	const sockets = Array.from({ length: cloudLimits.operationsConnections }, () => connect(Number(port), "127.0.0.1"));
	t.teardown(() => {
		for (const socket of sockets) socket.destroy();
	});
	await Promise.all(sockets.map((socket) => once(socket, "connect")));
	const late = connect(Number(port), "127.0.0.1");
	late.on("error", () => undefined);
	late.resume();
	await once(late, "close");
	sockets[0]?.destroy();
	t.regex(await answerOf(Number(port)), /^HTTP\/1\.1 200 /);
});

/** What `/healthz` answers: a place that was given back is free when the server has seen it. */
async function answerOf(port: number): Promise<string> {
	for (;;) {
		const socket = connect(port, "127.0.0.1");
		socket.on("error", () => undefined);
		socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
		let text = "";
		socket.on("data", (chunk) => {
			text += chunk;
		});
		await once(socket, "close");
		if (text !== "") return text;
	}
}
