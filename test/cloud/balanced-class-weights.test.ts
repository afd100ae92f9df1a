import { balancedClassWeights } from "@psgl/cloud";
import { Dataset } from "@psgl/sdk/sources";
import test from "ava";
import { runCli } from "../helpers/run-cli.js";
import { temporaryFolder } from "../helpers/temporary-folder.js";

const data = (labels: readonly number[], targets?: Uint8Array) =>
	new Dataset({
		shape: [1, 1, 1],
		classes: ["a", "b", "c"],
		labels: Int32Array.from(labels),
		samples: new Float32Array(labels.length),
		...(targets && { targets }),
	});

test("every class weighs the same in sum, and the mean over samples is 1", (t) => {
	const labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
	const weights = balancedClassWeights(data(labels));
	const sums = [0, 0, 0];
	for (const label of labels) sums[label] = (sums[label] as number) + (weights[label] as number);
	for (const sum of sums) t.true(Math.abs(sum - 10 / 3) < 1e-12);
});

test("a class without samples, and several labels a sample, are refused", (t) => {
	t.throws(() => balancedClassWeights(data([0, 0, 1])), { code: "PSGL_CLASS_WEIGHTS", message: /no sample of c/ });
	t.throws(() => balancedClassWeights(data([0, 1], new Uint8Array(6))), { code: "PSGL_CLASS_WEIGHTS" });
});

test("psgl cloud, which sees no labels beforehand, refuses balanced", async (t) => {
	const cwd = await temporaryFolder(t);
	await runCli("compile --zoo lenet --input 1x28x28 --classes 2 -o m.psgl".split(" "), { cwd });
	const { exitCode, stderr } = await runCli("cloud --artifact m.psgl --port 0 --class-weights balanced".split(" "), {
		cwd,
	});
	t.is(exitCode, 2);
	t.regex(stderr, /PSGL_OPTION: --class-weights cannot be used/);
});
