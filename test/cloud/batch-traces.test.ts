import { trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { runFleet } from "@psgl/firmware-sim";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import test from "ava";
import { startCloud } from "../helpers/cloud.js";
import { smallDataset, smallModel } from "../helpers/small-model.js";

test("each batch that came in is one trace: its device's part, its arrival, the step that was made with it, its answer", async (t) => {
	const exporter = new InMemorySpanExporter();
	trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
	const { joint } = await smallModel();
	await using cloud = await startCloud(joint, { rounds: 2, batchSize: 6, minDevices: 2, seed: 1 });
	const [train, validation] = [smallDataset(24), smallDataset(24, 2)];
	const data = { name: "small", synthetic: true, train, validation, test: smallDataset(2, 3) };
	for await (const _ of runFleet({ url: cloud.url, devices: 2, data, seed: 5, runtime: nodeRuntime }));
	const { counts } = await cloud.aggregator.result;
	const finished = exporter.getFinishedSpans();
	const [spans, parts] = ["psgl.batch", "psgl.device"].map((name) => finished.filter((span) => span.name === name)) as [
		typeof finished,
		typeof finished,
	];
	t.is(spans.length + parts.length, finished.length);
	t.true(counts.received > 4);
	t.is(spans.length, counts.received);
	t.is(new Set(spans.map((span) => span.spanContext().traceId)).size, counts.received);
	const names = spans.map(({ attributes: of }) => `${of["psgl.device"]} ${of["psgl.epoch"]} ${of["psgl.seq"]}`);
	t.is(new Set(names).size, counts.received);
	t.regex(names[0] ?? "", /^device-[12] \d+ 0$/);
	const seconds = ([s, ns]: readonly [number, number]) => s + ns / 1e9;
	t.is(parts.length, counts.received);
	for (const part of parts) {
		const whole = spans.find((span) => span.spanContext().traceId === part.spanContext().traceId);
		t.deepEqual(part.attributes, whole?.attributes);
		t.is(part.parentSpanContext?.spanId, whole?.spanContext().spanId);
		t.true(seconds(part.startTime) <= seconds(part.endTime));
	}
	for (const { events, startTime, endTime } of spans) {
		t.deepEqual(
			events.map((event) => event.name),
			["applied"],
		);
		const [from, at, to] = [startTime, events[0]?.time ?? ([0, 0] as const), endTime].map(seconds);
		t.true((from as number) <= (at as number) && (at as number) <= (to as number));
	}
});
