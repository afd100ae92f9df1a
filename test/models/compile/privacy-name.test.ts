import {
	type ModelDefinition,
	presetDefinition,
	presetTail,
	privacyModes,
	privacyName,
	zooNetwork,
} from "@psgl/models";
import test from "ava";

const preset = (mode: (typeof privacyModes)[number], samples?: number) =>
	presetDefinition(mode, zooNetwork("lenet"), [1, 12, 12], ["a", "b"], samples);

for (const mode of privacyModes) {
	test(`${mode} is called by its name, for few samples and many, wherever labels stay`, (t) => {
		for (const samples of [100, undefined]) t.is(privacyName(preset(mode, samples)), mode);
		if (preset(mode).code === null) t.is(privacyName({ ...preset(mode), tail: presetTail }), mode);
		t.is(privacyName({ ...preset(mode), accumulationSteps: 2 }), mode, "how it learns is no part of a mode");
	});
}

test("a mode with another setting is custom, however it began", (t) => {
	const changes: readonly [(typeof privacyModes)[number], Partial<ModelDefinition>][] = [
		["none", { robustBudget: 0.01 }],
		["paper", { map: null }],
		["paper", { recovery: { kind: "none" } }],
		["robust", { cutGradient: "fused" }],
		["shield", { code: { numbers: 1, bits: 5 } }],
		["shield", { disclosure: { release: "every-epoch", budgetBits: null } }],
		["shield", { robustBudget: 0 }],
	];
	for (const [mode, change] of changes) t.is(privacyName({ ...preset(mode), ...change }), "custom", mode);
	const { code } = preset("none");
	t.is(privacyName({ ...preset("none"), code }), "none");
});
