import { anchors, distanceCorrelation, isWeak, leakOf, linkage } from "@psgl/models";
import { seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";

function drawn(count: number, size: number, name: string): Tensor<"float32"> {
	const random = seededRandom(1).fork(name);
	return tensor(
		"float32",
		[count, size],
		Float32Array.from({ length: count * size }, () => random.normal()),
	);
}

test("the headlines are 0 at their anchor, 1 at the undefended network, and nothing where the span is noise", (t) => {
	const anchors = { mean: 0.5, classMean: 0.6, undefended: 0.9 };
	t.is(leakOf(0.5, anchors).leak, 0);
	t.is(leakOf(0.9, anchors).leak, 1);
	t.is(leakOf(0.6, anchors).leakBeyondLabel, 0);
	t.true(Math.abs(leakOf(0.75, anchors).leakBeyondLabel - 0.5) < 1e-12);
	t.true(Number.isNaN(leakOf(0.75, { ...anchors, mean: 0.89 }).leak));
	t.true(isWeak(0.55, anchors));
	t.false(isWeak(0.85, anchors));
});

test("the anchors are the mean sample and that of the victim's class", (t) => {
	const samples = Float32Array.of(0, 0.2, 0.4, 0.6, 0.5, 1);
	const labels = Int32Array.of(0, 0, 1);
	const attacker = new Dataset({ shape: [1, 2], classes: ["a", "b", "c"], labels, samples });
	const { mean, classMean } = anchors(attacker, [1, 0, 2]);
	const rounded = (values: Float32Array) => Array.from(values, (v) => Number(v.toFixed(4)));
	t.deepEqual(rounded(mean.data), [0.3, 0.6, 0.3, 0.6, 0.3, 0.6]);
	t.deepEqual(rounded(classMean.data), [0.5, 1, 0.2, 0.4, 0.3, 0.6], "no sample of c: the mean of all");
});

test("linkage finds the one that was sent, and guesses where all candidates give the same", async (t) => {
	const own = drawn(20, 6, "candidates");
	t.is((await linkage(nodeRuntime, own, own)).top1, 1);
	const same = tensor("float32", [20, 6], new Float32Array(120).fill(0.25));
	const guessed = await linkage(nodeRuntime, same, same);
	t.true(Math.abs(guessed.top1 - 0.05) < 1e-9);
	t.is(guessed.chance, 0.05);
	const turned = tensor("float32", [20, 6], new Float32Array([...own.data.subarray(6), ...own.data.subarray(0, 6)]));
	t.is((await linkage(nodeRuntime, turned, own)).top1, 0);
});

test("distance correlation is 1 for a turned and scaled copy, far less for independent numbers", async (t) => {
	const a = drawn(60, 2, "a");
	const turned = tensor(
		"float32",
		[60, 2],
		a.data.map((value, i) => 3 * (i % 2 === 0 ? (a.data[i + 1] as number) : -(a.data[i - 1] as number)) + 0 * value),
	);
	t.true(Math.abs((await distanceCorrelation(nodeRuntime, a, turned)) - 1) < 1e-3);
	const free = await distanceCorrelation(nodeRuntime, a, drawn(60, 2, "b"));
	t.true(free < 0.35 && free > 0, `${free}`);
	const constant = tensor("float32", [60, 2], new Float32Array(120));
	t.is(await distanceCorrelation(nodeRuntime, a, constant), 0);
});
