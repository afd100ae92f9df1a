import { DataError } from "../errors.js";
import { type DType, elementCount, type Tensor, tensorFromBytes } from "../tensor.js";

/** What one array of an npz archive holds: numbers, one text, or several texts in row-major order. */
export type NpyArray = Tensor | string | readonly string[];

interface ElementType {
	/** Bytes of one element in the file. */
	readonly bytes: number;
	/** Builds the tensor from little-endian, row-major bytes. */
	readonly read: (dims: readonly number[], bytes: Uint8Array) => Tensor;
}

const plain = (dtype: DType, bytes: number): ElementType => ({
	bytes,
	read: (dims, raw) => tensorFromBytes(dtype, dims, raw),
});

/** Element types by NumPy's kind and size. Types without a tensor of their own widen without loss. */
const elementTypes: Readonly<Record<string, ElementType>> = {
	b1: plain("bool", 1),
	u1: plain("uint8", 1),
	i1: plain("int8", 1),
	i4: plain("int32", 4),
	i8: plain("int64", 8),
	f2: plain("float16", 2),
	f4: plain("float32", 4),
	f8: plain("float64", 8),
	u2: { bytes: 2, read: (dims, raw) => widen(dims, new Uint16Array(new Uint8Array(raw).buffer)) },
	i2: { bytes: 2, read: (dims, raw) => widen(dims, new Int16Array(new Uint8Array(raw).buffer)) },
	u4: {
		bytes: 4,
		read: (dims, raw) => ({
			dtype: "int64",
			dims,
			data: BigInt64Array.from(Array.from(new Uint32Array(new Uint8Array(raw).buffer), BigInt)),
		}),
	},
};

function widen(dims: readonly number[], values: Uint16Array | Int16Array): Tensor<"int32"> {
	return { dtype: "int32", dims, data: Int32Array.from(values) };
}

/**
 * Reads one array in NumPy's npy format, versions 1 to 3 (numpy.lib.format). uint16 and int16 become int32,
 * uint32 becomes int64; big-endian and Fortran-order arrays are converted to little-endian row-major.
 *
 * @param name for error messages, for instance `data.npz: train_labels`
 * @throws DataError `PSGL_NPY_HEADER`, `PSGL_NPY_LENGTH`, `PSGL_NPY_PICKLED`, `PSGL_NPY_DTYPE`
 */
export function parseNpy(bytes: Uint8Array, name: string): NpyArray {
	const { descr, fortranOrder, dims, offset } = parseHeader(bytes, name);
	const [, order, kind, digits] = /^([<>|=])([a-zA-Z])(\d*)$/.exec(descr) ?? [];
	if (kind === "O") {
		throw new DataError("PSGL_NPY_PICKLED", {
			what: `${name} holds pickled Python objects, which can run code when read`,
			got: `element type ${descr}`,
			expected: "numbers or text",
			remedy: 'Save the array again with a numeric dtype, for instance array.astype("uint8").',
		});
	}
	const isText = kind === "U";
	const type = isText ? undefined : elementTypes[`${kind}${digits}`];
	const width = isText ? 4 * Number(digits) : type?.bytes;
	if (width === undefined) {
		throw new DataError("PSGL_NPY_DTYPE", {
			what: `${name} has an element type that psgl cannot read`,
			got: descr,
			expected: `one of ${Object.keys(elementTypes).join(", ")} or text (U)`,
			remedy: "Save the array again with one of these types.",
		});
	}
	const expected = elementCount(dims) * width;
	if (bytes.byteLength - offset !== expected) {
		throw new DataError("PSGL_NPY_LENGTH", {
			what: `${name} is cut off or has bytes too many`,
			got: `${bytes.byteLength - offset} bytes of values`,
			expected: `${expected} for ${descr} of shape [${dims.join(",")}]`,
			remedy: "Fetch or write the file again.",
		});
	}
	let values = bytes.subarray(offset);
	if (order === ">") values = swapBytes(values, isText ? 4 : width);
	if (fortranOrder && dims.length > 1) values = toRowMajor(values, dims, width);
	if (type) return type.read(dims, values);
	const texts = readTexts(values, width);
	return dims.length === 0 ? (texts[0] as string) : texts;
}

function parseHeader(bytes: Uint8Array, name: string) {
	const invalid = (got: string) =>
		new DataError("PSGL_NPY_HEADER", {
			what: `${name} is not an array in NumPy's npy format`,
			got,
			expected:
				"the magic bytes 93 4E 55 4D 50 59, a version from 1 to 3 and a header with descr, fortran_order and shape",
			remedy: "Write the file with numpy.savez or numpy.savez_compressed.",
		});
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (bytes.byteLength < 12 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059) {
		throw invalid(`${bytes.byteLength} bytes that start otherwise`);
	}
	const version = view.getUint8(6);
	if (version < 1 || version > 3) throw invalid(`version ${version}`);
	const start = version === 1 ? 10 : 12;
	const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
	const offset = start + length;
	if (offset > bytes.byteLength) throw invalid(`a header of ${length} bytes in ${bytes.byteLength} bytes`);
	// The header is the text of a Python dictionary; its three keys are looked for one by one.
	const header = Buffer.from(bytes.subarray(start, offset)).toString("utf8");
	const descr = /'descr'\s*:\s*(?:'([^']*)'|(\[))/.exec(header);
	const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
	const shape = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(header)?.[1];
	if (!descr || order === undefined || shape === undefined) throw invalid(`the header ${header.trim().slice(0, 120)}`);
	const dims = shape
		.split(",")
		.filter((part) => part.trim() !== "")
		.map((part) => Number.parseInt(part, 10));
	return { descr: descr[1] ?? "a record of several fields", fortranOrder: order === "True", dims, offset };
}

function swapBytes(bytes: Uint8Array, width: number): Uint8Array {
	const swapped = Buffer.from(bytes);
	if (width === 2) swapped.swap16();
	if (width === 4) swapped.swap32();
	if (width === 8) swapped.swap64();
	return swapped;
}

/** Column-major (Fortran) elements put into row-major order. */
function toRowMajor(source: Uint8Array, dims: readonly number[], width: number): Uint8Array {
	const result = new Uint8Array(source.length);
	const index = new Array<number>(dims.length).fill(0);
	for (let to = 0; to < result.length; to += width) {
		let from = 0;
		for (let axis = dims.length - 1; axis >= 0; axis--) from = from * (dims[axis] as number) + (index[axis] as number);
		result.set(source.subarray(from * width, (from + 1) * width), to);
		for (let axis = dims.length - 1; axis >= 0; axis--) {
			index[axis] = (index[axis] as number) + 1;
			if (index[axis] !== dims[axis]) break;
			index[axis] = 0;
		}
	}
	return result;
}

/** Texts of fixed width in UTF-32, padded with zeros. */
function readTexts(bytes: Uint8Array, width: number): string[] {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const count = width === 0 ? 1 : bytes.byteLength / width;
	return Array.from({ length: count }, (_, i) => {
		let text = "";
		for (let at = i * width; at < (i + 1) * width; at += 4) {
			const point = view.getUint32(at, true);
			if (point === 0) break;
			text += point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
		}
		return text;
	});
}
