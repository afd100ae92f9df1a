import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { externalDataFolder, GraphBuilder, importModel, onnxLimits } from "@psgl/models";
import { ArtifactError, LimitError, type Tensor } from "@psgl/sdk";
import test from "ava";
import { onnxFile } from "../../helpers/onnx-file.js";
import { temporaryFolder } from "../../helpers/temporary-folder.js";

type Entries = Readonly<Record<string, string>>;

/** The weight [dims] of a file whose values are where `entries` say, in a folder. */
function readWeight(folder: string, entries: Entries, dims: readonly number[] = [4]): Tensor {
	const g = new GraphBuilder("external");
	let weight: Tensor | undefined;
	const nodes = [{ type: "Mul", inputs: ["x", "w"], outputs: ["y"] }];
	const external = { w: { dims, entries } };
	importModel(g, onnxFile({ opset: 13, inputs: { x: ["N", 4] }, outputs: ["y"], nodes, external }), {
		input: (name, dtype, shape) => g.input(name, dtype, shape),
		initializer(name, value) {
			weight = value;
			return g.constant(value, name);
		},
		external: externalDataFolder(folder),
	});
	return weight as Tensor;
}

const values = Float32Array.of(9, 1, -2, 0.5, 3, 7);

test("weights beside the model are read from their offset", async (t) => {
	const folder = await temporaryFolder(t);
	await writeFile(join(folder, "weights.bin"), new Uint8Array(values.buffer));
	const location = "weights.bin";
	t.deepEqual([...readWeight(folder, { location, offset: "4", length: "16" }).data], [1, -2, 0.5, 3]);
	t.deepEqual([...readWeight(folder, { location }).data], [9, 1, -2, 0.5]);
});

const refused: Readonly<Record<string, Entries>> = {
	"no location": {},
	"a path upwards": { location: "../weights.bin" },
	"a path upwards from a folder inside": { location: "inside/../../weights.bin" },
	"an absolute path": { location: "/etc/hostname" },
	"a path of another system": { location: "..\\weights.bin" },
	"a drive": { location: "C:\\weights.bin" },
	"a file that is not there": { location: "nowhere.bin" },
	"a link out of the folder": { location: "link.bin" },
	"the folder itself": { location: "." },
	"a file that ends too early": { location: "short.bin" },
	"an offset behind the end": { location: "short.bin", offset: "400" },
	"a negative offset": { location: "weights.bin", offset: "-4" },
	"an offset that is no number": { location: "weights.bin", offset: "four" },
	"a length that is not that of the shape": { location: "weights.bin", length: "12" },
};

for (const [name, entries] of Object.entries(refused)) {
	test(`external data are refused: ${name}`, async (t) => {
		const outside = await temporaryFolder(t);
		const folder = await temporaryFolder(t);
		await writeFile(join(outside, "secret.bin"), new Uint8Array(values.buffer));
		await writeFile(join(folder, "weights.bin"), new Uint8Array(values.buffer));
		await writeFile(join(folder, "short.bin"), new Uint8Array(15));
		await symlink(join(outside, "secret.bin"), join(folder, "link.bin"));
		const error = t.throws(() => readWeight(folder, entries), { instanceOf: ArtifactError });
		t.is(error?.code, "PSGL_ONNX_EXTERNAL_DATA");
	});
}

test("maxTensorBytes: a tensor that claims to be huge is refused before memory is set aside", async (t) => {
	const folder = await temporaryFolder(t);
	const error = t.throws(() => readWeight(folder, { location: "weights.bin" }, [1 << 20, 1 << 20]), {
		instanceOf: LimitError,
	});
	t.is(error?.code, "PSGL_ONNX_TENSOR_TOO_LARGE");
	const most = onnxLimits.maxTensorBytes / 4;
	const sized = (count: number) => t.throws(() => readWeight(folder, { location: "weights.bin" }, [count]));
	t.like(sized(most + 1), { code: "PSGL_ONNX_TENSOR_TOO_LARGE" });
	t.like(sized(most), { code: "PSGL_ONNX_EXTERNAL_DATA" }, "no such file");
	const nonsense = t.throws(() => readWeight(folder, { location: "weights.bin" }, [-3]), { instanceOf: ArtifactError });
	t.is(nonsense?.code, "PSGL_ONNX_CORRUPT");
});
