import { type Runtime, tensor } from "@psgl/sdk";
import { artifactGraph } from "@psgl/sdk/artifact";
import { providers } from "@psgl/sdk/budget";
import { availableProviders, nodeRuntime, nodeRuntimeOn } from "@psgl/sdk/runtime/node";
import test from "ava";
import { smallModel } from "../helpers/small-model.js";

test("a provider that cannot be used gives way to the processor, once and with the reason, and results are the same", async (t) => {
	const built = availableProviders();
	t.true(built.includes("CPUExecutionProvider"));
	const graph = artifactGraph((await smallModel()).joint, "wire/encode.int8");
	const values = tensor(
		"float32",
		[2, 32, 2, 2],
		Float32Array.from({ length: 256 }, (_, i) => Math.sin(i)),
	);
	const run = async (runtime: Runtime) => {
		await using session = await runtime.load(graph);
		return await session.run({ values });
	};
	const expected = await run(nodeRuntime);
	for (const provider of providers) {
		const reasons: string[] = [];
		const runtime = nodeRuntimeOn({ provider, onFallback: (reason) => reasons.push(reason) });
		t.is(runtime.version.includes(`(${provider})`), provider !== "cpu");
		const results = [await run(runtime), await run(runtime)];
		// On a machine that has it there is no fallback, and the last bits may differ.
		const fell = reasons.length > 0;
		if (provider !== "cpu" && !built.some((name) => name.toLowerCase().startsWith(provider))) t.true(fell, provider);
		t.true(reasons.length <= 1);
		if (fell) {
			t.is(runtime.version, nodeRuntime.version);
			t.regex(reasons[0] ?? "", /\S/);
			t.log(`${provider}: ${reasons[0]?.slice(0, 120)}`);
		}
		if (fell || provider === "cpu") for (const result of results) t.deepEqual(result, expected);
	}
});
