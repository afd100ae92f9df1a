import { compileArtifact, importNetwork, type PrivacyMode, presetDefinition } from "@psgl/models";
import { ArtifactError, seededRandom } from "@psgl/sdk";
import test from "ava";
import { onnxFile } from "../../helpers/onnx-file.js";

/** A classifier that rounds its input, and with `twice` what comes out behind its first weights. */
const roundingFile = (twice: boolean) =>
	onnxFile({
		opset: 13,
		inputs: { x: ["N", 3, 4, 4] },
		outputs: ["y"],
		floats: { first: [1, -2, 0.5, 1.5], second: [1, 2, 3] },
		nodes: [
			{ type: "Round", inputs: ["x"], outputs: ["rounded"] },
			{ type: "Mul", inputs: ["rounded", "first"], outputs: ["early"] },
			{ type: "GlobalAveragePool", inputs: ["early"], outputs: ["late"] },
			{ type: twice ? "Ceil" : "Identity", inputs: ["late"], outputs: ["again"] },
			{ type: "Flatten", inputs: ["again"], outputs: ["flat"] },
			{ type: "Mul", inputs: ["flat", "second"], outputs: ["y"] },
		],
	});

function compile(privacy: PrivacyMode, twice = false) {
	const network = importNetwork(roundingFile(twice), { name: "rounded", cut: ["early"] });
	const definition = presetDefinition(privacy, network, [3, 4, 4], ["a", "b", "c"]);
	return compileArtifact(definition, { name: "rounded", random: seededRandom(1) });
}

for (const privacy of ["paper", "robust", "shield"] as const) {
	test(`a network that rounds its input has no map and no robust training: ${privacy}`, async (t) => {
		const error = await t.throwsAsync(() => compile(privacy), { instanceOf: ArtifactError });
		t.is(error?.code, "PSGL_INPUT_GRADIENT");
		t.regex(error?.message ?? "", /the input[\s\S]*--privacy none/);
	});
}

test("without map it is compiled", async (t) => {
	t.is((await compile("none")).manifest.network, "rounded");
});

test("smashed data no gradient comes back to are refused", async (t) => {
	const error = await t.throwsAsync(() => compile("none", true), { instanceOf: ArtifactError });
	t.is(error?.code, "PSGL_INPUT_GRADIENT");
	t.regex(error?.message ?? "", /the smashed data[\s\S]*behind that step/);
});
