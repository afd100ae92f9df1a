import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { trace } from "@opentelemetry/api";
import { cloudLimits, exportTraces } from "@psgl/cloud";
import { runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test, { type ExecutionContext } from "ava";
import { z } from "zod";
import { runCli } from "../../helpers/run-cli.js";
import { smallDataset, smallModel } from "../../helpers/small-model.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

const attributes = z.array(
	z.object({
		key: z.string(),
		value: z.union([z.object({ stringValue: z.string() }), z.object({ intValue: z.number() })]),
	}),
);
const nanoseconds = z.string().regex(/^\d{19}$/);

/** ExportTraceServiceRequest of OTLP 1.x as JSON: ids in hex, 64-bit numbers as text. */
const request = z.object({
	resourceSpans: z.array(
		z.object({
			resource: z.object({ attributes }),
			scopeSpans: z.array(
				z.object({
					scope: z.object({ name: z.string() }),
					spans: z.array(
						z.object({
							traceId: z.string().regex(/^[0-9a-f]{32}$/),
							spanId: z.string().regex(/^[0-9a-f]{16}$/),
							name: z.string(),
							startTimeUnixNano: nanoseconds,
							endTimeUnixNano: nanoseconds,
							attributes,
							events: z.array(z.object({ name: z.string(), timeUnixNano: nanoseconds })),
						}),
					),
				}),
			),
		}),
	),
});

/** A cloud from the command line that trains two devices for a round and ends. */
async function trained(t: ExecutionContext, endpoint: string) {
	const cwd = await temporaryFolder(t);
	await writeFile(join(cwd, "small.psgl"), (await smallModel()).jointBytes);
	const [train, validation] = [smallDataset(24), smallDataset(24, 2)];
	const data = { name: "small", synthetic: true, train, validation, test: smallDataset(2, 3) };
	let fleet: Promise<void> | undefined;
	const args = [
		"--json",
		"--port",
		"0",
		"--rounds",
		"1",
		"--min-devices",
		"2",
		"--batch-size",
		"6",
		"--exit-when-trained",
	];
	const ended = await runCli(["cloud", "--artifact", "small.psgl", "--otlp-endpoint", endpoint, ...args], {
		cwd,
		onEvent: ({ type, url }) => {
			if (type !== "listening") return;
			fleet = (async () => {
				for await (const _ of runFleet({ url: url as string, devices: 2, data, seed: 5, runtime: nodeRuntime }));
			})();
		},
	});
	await fleet;
	return ended;
}

test("--otlp-endpoint: a collector gets a trace of each batch, from its arrival over the optimiser step to its answer", async (t) => {
	const got: { path: string | undefined; type: string | undefined; body: unknown }[] = [];
	const collector = createServer(async (incoming, answer) => {
		const parts: Buffer[] = [];
		for await (const part of incoming) parts.push(part as Buffer);
		const body: unknown = JSON.parse(Buffer.concat(parts).toString("utf8"));
		got.push({ path: incoming.url, type: incoming.headers["content-type"], body });
		answer.setHeader("Content-Type", "application/json").end("{}");
	}).listen(0, "127.0.0.1");
	t.teardown(() => collector.close());
	await once(collector, "listening");
	const ended = await trained(t, `http://127.0.0.1:${(collector.address() as AddressInfo).port}`);
	t.is(ended.exitCode, 0, ended.stderr);
	t.true(got.length > 0);
	for (const { path, type } of got) t.deepEqual([path, type], ["/v1/traces", "application/json"]);
	const all = got.flatMap(({ body }) => request.parse(body).resourceSpans);
	t.true(
		all.every(({ resource }) =>
			resource.attributes.some(
				({ key, value }) => key === "service.name" && "stringValue" in value && value.stringValue === "psgl-cloud",
			),
		),
	);
	const told = all.flatMap(({ scopeSpans }) => scopeSpans).flatMap((scope) => scope.spans);
	const spans = told.filter(({ name }) => name === "psgl.batch");
	const { counts } = ended.events.at(-1) as unknown as { counts: { received: number } };
	t.is(counts.received, 4);
	t.is(spans.length, counts.received);
	t.is(new Set(spans.map(({ traceId }) => traceId)).size, counts.received);
	t.is(told.filter(({ name }) => name === "psgl.device").length, counts.received);
	t.is(told.length, 2 * counts.received);
	for (const { events, startTimeUnixNano: from, endTimeUnixNano: to, attributes: of } of spans) {
		t.deepEqual(
			of.map(({ key }) => key),
			["psgl.device", "psgl.epoch", "psgl.seq"],
		);
		t.deepEqual(
			events.map((event) => event.name),
			["applied"],
		);
		const at = events[0]?.timeUnixNano ?? "";
		t.true(BigInt(from) <= BigInt(at) && BigInt(at) <= BigInt(to));
	}
});

test("a collector that is not there is told of once, and training goes on; what is no address is refused", async (t) => {
	const closed = createServer().listen(0, "127.0.0.1");
	await once(closed, "listening");
	const { port } = closed.address() as AddressInfo;
	await new Promise((resolve) => closed.close(resolve));
	const ended = await trained(t, `http://127.0.0.1:${port}/collector`);
	t.is(ended.exitCode, 0, ended.stderr);
	const told = ended.events.filter(({ code }) => code === "PSGL_OTLP_UNREACHABLE");
	t.is(told.length, 1);
	t.is(ended.events.at(-1)?.type, "result", "what is told of as the cloud ends comes before its result");
	t.regex(told[0]?.got as string, new RegExp(`^http://127.0.0.1:${port}/collector/v1/traces: `));
	const wrong = await runCli(["cloud", "--artifact", "small.psgl", "--otlp-endpoint", "collector:4318"]);
	t.is(wrong.exitCode, 2);
	t.regex(wrong.stderr, /otlp-endpoint/);
});

test("tracesWaiting, traceExportMs: so many spans wait, further ones are dropped, and a collector that says nothing is waited for no longer", async (t) => {
	let mute = false;
	let spans = 0;
	const collector = createServer(async (incoming, answer) => {
		const parts: Buffer[] = [];
		for await (const part of incoming) parts.push(part as Buffer);
		if (mute) return;
		for (const { scopeSpans } of request.parse(JSON.parse(Buffer.concat(parts).toString("utf8"))).resourceSpans) {
			spans += scopeSpans.reduce((sum, scope) => sum + scope.spans.length, 0);
		}
		answer.setHeader("Content-Type", "application/json").end("{}");
	}).listen(0, "127.0.0.1");
	t.teardown(() => {
		collector.closeAllConnections();
		collector.close();
	});
	await once(collector, "listening");
	const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
	const errors: unknown[] = [];
	const exported = async (count: number) => {
		await using _ = await exportTraces({ endpoint, version: "1.2.3", onError: (error) => errors.push(error) });
		for (let i = 0; i < count; i++) trace.getTracer("test").startSpan("span").end();
	};
	await exported(2 * cloudLimits.tracesWaiting);
	t.is(spans, cloudLimits.tracesWaiting + 512, "those that wait, and a batch of OpenTelemetry under way");
	t.deepEqual(errors, []);
	mute = true;
	await exported(1);
	t.true(errors.length > 0);
});
