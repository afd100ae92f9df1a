import { clientHalf } from "@psgl/models";
import { ClientSegment, type ForwardPass, type Tensor, type Tensors } from "@psgl/sdk";
import { decodeArtifact } from "@psgl/sdk/artifact";
import type { WireDType, WireTensor } from "@psgl/sdk/protocol";
import test from "ava";
import { clientStep } from "../helpers/client-step.js";
import { interceptedRuntime } from "../helpers/intercepted-runtime.js";

type Real = Tensor<"float32">;

const codec = new URL("../../../sdk/dist/device/wire-codec.js", import.meta.url);
const { decodeReal, encodeReal } = (await import(codec.href)) as {
	readonly encodeReal: (segment: ClientSegment, values: Real, dtype: WireDType) => Promise<WireTensor>;
	readonly decodeReal: (
		segment: ClientSegment,
		wire: WireTensor,
		dims: readonly number[],
		name: string,
	) => Promise<Real>;
};

async function segmentWithStep() {
	const { artifact, feeds } = await clientStep({ shape: [3, 64, 64], batch: 32 });
	const half = await decodeArtifact(await clientHalf(artifact));
	const runs: string[] = [];
	const observed = interceptedRuntime((_, run, model) => {
		runs.push([...half.graphs].find(([, bytes]) => bytes === model)?.[0] ?? "");
		return run();
	});
	return { segment: new ClientSegment(observed, half, "digest"), feeds, runs };
}

test("maxActivationBytes: batches over the room for activations compute them again, with the same result", async (t) => {
	const { segment, feeds, runs } = await segmentWithStep();
	await using _ = segment;
	const passes: ForwardPass[] = [];
	// One batch keeps about 15 MB.
	for (let i = 0; i < 8; i++) passes.push(await segment.forward(feeds, true));
	const results: Record<string, Tensor>[] = [];
	for (const pass of passes) results.push(await back(segment, feeds, pass));
	const again = runs.filter((name) => name === "client/activations").length;
	t.true(again > 0 && again < passes.length, String(again));
	for (const result of results.slice(1)) t.deepEqual(result, results[0]);
	for (const pass of passes) pass[Symbol.dispose]();
	using next = await segment.forward(feeds, true);
	t.deepEqual(await back(segment, feeds, next), results[0]);
	t.is(runs.filter((name) => name === "client/activations").length, again);
	t.is((await segment.forward(feeds, false)).activations, undefined);
});

test("memory given back is written over by the next batch, not that of a batch on its way", async (t) => {
	const { segment, feeds } = await segmentWithStep();
	await using _ = segment;
	const other = { ...feeds, x: { ...feeds.x, data: feeds.x.data.map((value) => 1 - value) } };
	const expected = { first: await once(segment, feeds), second: await once(segment, other) };
	using first = await segment.forward(feeds, true);
	using second = await segment.forward(other, true);
	t.deepEqual(await back(segment, feeds, first), expected.first);
	t.deepEqual(await back(segment, other, second), expected.second);
	t.notDeepEqual(expected.first.next_params, expected.second.next_params);
});

test("smashed data and map go back with a pass, and only then", async (t) => {
	const { segment, feeds } = await segmentWithStep();
	await using _ = segment;
	const first = await segment.forward(feeds, true);
	const sent = await encodeReal(segment, first.smashed, "float32");
	const copy = first.smashed.data.slice();
	using second = await segment.forward(feeds, true);
	t.not(second.smashed.data, first.smashed.data);
	first[Symbol.dispose]();
	using third = await segment.forward({ ...feeds, x: { ...feeds.x, data: feeds.x.data.map((v) => 1 - v) } }, true);
	t.is(third.smashed.data, first.smashed.data);
	t.is(third.map?.data, first.map?.data);
	t.notDeepEqual(third.smashed.data, copy);
	// A message that waits for its answer in the outbox is sent again as it was.
	t.deepEqual(sent.data, copy);
});

test("a decoded gradient is written over one that was given up, with the same values as into new memory", async (t) => {
	const { segment, feeds } = await segmentWithStep();
	await using _ = segment;
	using pass = await segment.forward(feeds, true);
	const { smashed } = pass;
	const send = () => encodeReal(segment, smashed, "float16");
	const read = async () => decodeReal(segment, await send(), smashed.dims, "gradient");
	const [first, second] = [await read(), await read()];
	t.not(second.data, first.data);
	const copy = first.data.slice();
	first.data.fill(Number.NaN);
	segment.spare.give(first);
	const third = await read();
	t.is(third.data, first.data);
	t.deepEqual(third.data, copy);
	// What came of it goes out with the next values.
	const wire = await send();
	const travelled = wire.data.slice();
	await decodeReal(segment, wire, smashed.dims, "gradient");
	wire.data.fill(0);
	const next = await send();
	t.is(next.data, wire.data);
	t.deepEqual(next.data, travelled);
});

async function once(segment: ClientSegment, feeds: Tensors) {
	using pass = await segment.forward(feeds, true);
	return await back(segment, feeds, pass);
}

function back(segment: ClientSegment, feeds: Tensors, pass: ForwardPass) {
	return segment.train({ ...feeds, ...(pass.map && { map: pass.map }) }, pass);
}
