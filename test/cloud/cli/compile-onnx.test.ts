import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeArtifact } from "@psgl/sdk/artifact";
import { runCli } from "../../helpers/run-cli.js";
import { sharedPath, withShared } from "../../helpers/shared.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

const lenet = sharedPath("vectors", "onnx", "lenet_op13.onnx");
const compile = (args: string) => runCli(["compile", "--onnx", lenet, ...args.split(" ")]);

withShared("compile --onnx writes an artifact with the file's classes, shape and normalisation", async (t) => {
	const file = join(await temporaryFolder(t), "own.psgl");
	const { exitCode, events } = await compile(
		`--cut /Relu_output_0 --normalise 0.5,0.25 --classes 10 --privacy none --json -o ${file}`,
	);
	t.is(exitCode, 0);
	const { manifest } = await decodeArtifact(await readFile(file));
	t.like(manifest, { name: "lenet_op13", inputShape: [1, 28, 28], smashedShape: [16, 10, 10], packing: "none" });
	t.deepEqual(manifest.normalise, { mean: [0.5], std: [0.25] });
	t.is(manifest.classes.length, 10);
	t.like(events.at(-1), { type: "result", output: file, smashedShape: [16, 10, 10] });
	t.true(events.some(({ type, note }) => type === "note" && String(note).includes("unpacked")));
});

withShared("compile --list-cuts prints a table, and an event a cut with --json", async (t) => {
	const table = await compile("--list-cuts");
	t.is(table.exitCode, 0);
	t.regex(table.stdout, /\/MaxPool_output_0 +\[16,5,5\] +1\.60 kB +804 B +464 B +2,572/);
	const { events } = await compile("--list-cuts --json");
	t.is(events.filter(({ type }) => type === "cut").length, 11);
	t.like(events.at(-1), { type: "result", cuts: 11 });
});

withShared("compile --cut auto says what it chose and why", async (t) => {
	const file = join(await temporaryFolder(t), "own.psgl");
	const { exitCode, stderr } = await compile(`--cut auto --max-bytes 1000 --max-client-mflop 0.8 -o ${file}`);
	t.is(exitCode, 0);
	t.regex(stderr, /Cut at \/MaxPool_output_0: of 11 cuts 1 are within the limits/);
});

const refused: readonly (readonly [string, string, RegExp])[] = [
	["an unknown tensor", "--cut /Relu_output_1", /PSGL_CUT_UNKNOWN[\s\S]*\/Relu_output_0/],
	["another number of classes", "--cut /Relu_output_0 --classes 4", /PSGL_MODEL_CLASSES[\s\S]*10/],
	["another shape", "--cut /Relu_output_0 --input 3x28x28", /PSGL_ONNX_INPUT_SHAPE[\s\S]*\[1,28,28\]/],
	["limits no cut meets", "--cut auto --max-bytes 10", /PSGL_CUT_NONE_FITS[\s\S]*172/],
	["limits beside a named cut", "--cut /Relu_output_0 --max-bytes 1000", /PSGL_OPTION_CONFLICT[\s\S]*--cut auto/],
	["no cut", "--classes 10", /PSGL_OPTION_MISSING: --cut/],
	["a zoo model beside the file", "--zoo lenet --cut /Relu_output_0", /PSGL_OPTION_CONFLICT/],
	["channels that do not fit", "--cut /Relu_output_0 --normalise 0.1:0.2,0.5", /PSGL_NORMALISATION/],
];

for (const [name, args, message] of refused) {
	withShared(`compile --onnx refuses ${name} and writes nothing`, async (t) => {
		const folder = await temporaryFolder(t);
		const { exitCode, stderr } = await compile(`${args} -o ${join(folder, "own.psgl")}`);
		t.is(exitCode, 2);
		t.regex(stderr, message);
		t.deepEqual(await readdir(folder), []);
	});
}
