import { ProtocolError } from "../errors.js";
import { bytesPerElement, type DType, elementCount, type Tensor, tensorBytes, tensorFromBytes } from "../tensor.js";
import { packCode, packedBytes, unpackCode } from "./code-bits.js";
import { deflateBody, inflateBody } from "./deflate.js";
import { requireFinite } from "./finite.js";
import { checkHeader, type Header, type TensorDescriptor } from "./headers.js";
import type { Message } from "./messages.js";
import { checkTensors, tensorNames } from "./tensor-rules.js";
import type { CodeTensor, WireTensor } from "./tensors.js";

/** How int4 travels. */
const nibbleBits = 4;
const nibbleZero = 8;

/** How a message is to travel. */
export interface LayOutOptions {
	/** Deflate its body where that pays. */
	readonly deflate?: boolean | undefined;
}

/** A message taken apart. */
export interface LaidOut {
	readonly header: Header;
	/** The tensors' bytes one after the other; views on the tensors. */
	readonly parts: readonly Uint8Array[];
	/** Bytes of all of them. */
	readonly bytes: number;
}

/**
 * Takes a message apart into its header and its body.
 * @throws ProtocolError `PSGL_PROTOCOL_HEADER`, `PSGL_PROTOCOL_TENSOR`; NumericError `PSGL_PROTOCOL_NOT_FINITE`.
 */
export function layOut(message: Message, { deflate = false }: LayOutOptions = {}): LaidOut {
	if (message.type === "artifact") {
		const { body, ...fields } = message;
		return { header: checkHeader(fields), parts: [body], bytes: body.length };
	}
	if (!("tensors" in message) || message.tensors === undefined) {
		return { header: checkHeader(message), parts: [], bytes: 0 };
	}
	const given = message.tensors as Readonly<Record<string, WireTensor | CodeTensor>>;
	const descriptors: TensorDescriptor[] = [];
	const parts: Uint8Array[] = [];
	let offset = 0;
	const place = (part: Uint8Array) => {
		const range = { offset, bytes: part.byteLength };
		parts.push(part);
		offset += range.bytes;
		return range;
	};
	for (const name of tensorNames(message.type)) {
		const tensor = given[name];
		if (tensor === undefined) continue;
		if ("bits" in tensor) {
			const { bits, dims, data } = tensor;
			descriptors.push({ name, dtype: "code", bits, dims, ...place(packCode(requireLevels(name, data, bits), bits)) });
			continue;
		}
		if (tensor.dtype === "int4") {
			const { dims, scale } = tensor;
			const scalePlace = scale && place(tensorBytes(scale));
			descriptors.push({ name, dtype: "int4", dims, ...place(packNibbles(tensor, name)), scale: scalePlace });
			continue;
		}
		requireFinite(tensor as Tensor, name);
		const scale = tensor.scale && place(tensorBytes(tensor.scale));
		descriptors.push({ name, dtype: tensor.dtype, dims: tensor.dims, ...place(tensorBytes(tensor as Tensor)), scale });
	}
	const header = checkHeader({ ...message, tensors: descriptors });
	checkLayout(header, offset);
	const deflated = deflate ? deflatedOnce(message.tensors, { parts, bytes: offset }) : undefined;
	if (deflated === undefined) return { header, parts, bytes: offset };
	return { header: { ...header, inflated: offset }, parts: [deflated], bytes: deflated.length };
}

/** The whole body. */
export function bodyOf({ parts, bytes }: Pick<LaidOut, "parts" | "bytes">): Uint8Array {
	if (parts.length === 1) return parts[0] as Uint8Array;
	const whole = new Uint8Array(bytes);
	let offset = 0;
	for (const part of parts) {
		whole.set(part, offset);
		offset += part.length;
	}
	return whole;
}

/** Bodies that were deflated before, by their tensors: weights go to many devices. Undefined where it did not pay. */
const known = new WeakMap<object, Uint8Array | undefined>();

function deflatedOnce(tensors: object, body: Pick<LaidOut, "parts" | "bytes">): Uint8Array | undefined {
	if (!known.has(tensors)) known.set(tensors, deflateBody(bodyOf(body)));
	return known.get(tensors);
}

/**
 * Puts a message together from a checked header and its whole body, which it copies.
 * @throws ProtocolError `PSGL_PROTOCOL_TENSOR`; NumericError `PSGL_PROTOCOL_NOT_FINITE`.
 */
export function putTogether(header: Header, body: Uint8Array): Message {
	const { chunk: _, tensors: descriptors, inflated, ...fields } = header;
	// A copy, like the tensors: what came in may be a view on a network buffer.
	if (fields.type === "artifact") return { ...fields, body: new Uint8Array(body) };
	checkLayout(header, body.length);
	if (descriptors === undefined) return fields as Message;
	const whole = inflated === undefined ? body : inflateBody(body, inflated);
	return { ...fields, tensors: readTensors(descriptors, whole) } as unknown as Message;
}

function readTensors(
	descriptors: readonly TensorDescriptor[],
	body: Uint8Array,
): Readonly<Record<string, WireTensor | CodeTensor>> {
	const tensors: Record<string, WireTensor | CodeTensor> = {};
	for (const d of descriptors) {
		if (d.dtype === "code") {
			tensors[d.name] = readCode(d, body);
			continue;
		}
		const values = d.dtype === "int4" ? readNibbles(d, body) : (readValues(d, body) as WireTensor);
		tensors[d.name] = d.scale === undefined ? values : { ...values, scale: readScale(d, body, d.scale.offset) };
		requireFinite(tensors[d.name] as WireTensor, d.name);
	}
	return tensors;
}

/**
 * Checks that what a header describes fits its type and fills a body of that length.
 * @throws ProtocolError `PSGL_PROTOCOL_TENSOR`.
 */
export function checkLayout({ type, tensors, inflated }: Header, bodyBytes: number): void {
	// A request for a decision may be answered from a part of it.
	if (inflated !== undefined && (type === "infer" || tensors === undefined)) {
		throw misplaced(`a ${type} message is deflated`, `${inflated} bytes`, "tensors as they are");
	}
	if (type === "artifact") return;
	if (tensors !== undefined) {
		checkTensors(type, tensors);
		checkPlaces(tensors, inflated ?? bodyBytes);
	} else if (bodyBytes > 0) {
		throw misplaced("a message without tensors has a body", `${bodyBytes} bytes`, "none");
	}
}

function readValues({ dtype, dims, offset, bytes }: TensorDescriptor, body: Uint8Array): Tensor {
	return tensorFromBytes(dtype as DType, dims, body.subarray(offset, offset + bytes));
}

/** Values from -8 to 7, two in a byte: as level indices from 0 to 15. */
function packNibbles({ data }: WireTensor, name: string): Uint8Array {
	const indices = Uint8Array.from(data as Int8Array, (value) => value + nibbleZero);
	return packCode(requireLevels(name, indices, nibbleBits), nibbleBits);
}

function readNibbles(d: TensorDescriptor, body: Uint8Array): WireTensor {
	const { data, dims } = readCode({ ...d, bits: nibbleBits }, body);
	return { dtype: "int4", dims, data: Int8Array.from(data, (index) => index - nibbleZero) };
}

function readCode({ name, dims, bits = 0, offset, bytes }: TensorDescriptor, body: Uint8Array): CodeTensor {
	const data = unpackCode(body.subarray(offset, offset + bytes), elementCount(dims), bits);
	if (data !== undefined) return { dtype: "uint8", dims, data, bits };
	throw misplaced(`${name} has something in the bits after its last index`, "bits that are set", "zeros");
}

function requireLevels(name: string, indices: Uint8Array, bits: number): Uint8Array {
	const above = indices.find((index) => index >= 2 ** bits);
	if (above === undefined) return indices;
	throw misplaced(`${name} holds an index that its bits cannot`, `${above}`, `below ${2 ** bits}`);
}

function readScale(d: TensorDescriptor, body: Uint8Array, offset: number): Tensor<"float32"> {
	const dims = scaleDims(d);
	return tensorFromBytes("float32", dims, body.subarray(offset, offset + elementCount(dims) * 4));
}

/** float16: one scale, shape []. int8 and int4: one per channel, [C]. */
function scaleDims(d: TensorDescriptor): readonly number[] {
	return d.dtype === "float16" ? [] : [d.dims[1] as number];
}

/** Scale, values, scale, values ... must follow each other without gaps and fill the body. */
function checkPlaces(descriptors: readonly TensorDescriptor[], bodyBytes: number): void {
	let offset = 0;
	for (const d of descriptors) {
		const quantised = ["float16", "int8", "int4"].includes(d.dtype);
		if (quantised !== (d.scale !== undefined)) {
			throw misplaced(
				`${d.name} does not fit its scale`,
				`${d.dtype} ${quantised ? "without" : "with"} a scale`,
				"a scale for float16, int8 and int4 only",
			);
		}
		if ((d.dtype === "code") !== (d.bits !== undefined)) {
			throw misplaced(`${d.name} does not fit its bits`, `${d.dtype} with bits ${d.bits}`, "bits for code only");
		}
		if (d.scale !== undefined)
			offset = follow(d.scale, offset, elementCount(scaleDims(d)) * 4, `the scale of ${d.name}`);
		offset = follow(d, offset, valueBytes(d), d.name);
	}
	if (offset !== bodyBytes) {
		throw misplaced("the tensors do not fill the body", `${bodyBytes} bytes`, `${offset} bytes`);
	}
}

function valueBytes({ dtype, dims, bits = 0 }: TensorDescriptor): number {
	const count = elementCount(dims);
	if (dtype === "code" || dtype === "int4") return packedBytes(count, dtype === "int4" ? nibbleBits : bits);
	return count * bytesPerElement[dtype];
}

function follow(place: { offset: number; bytes: number }, offset: number, bytes: number, name: string): number {
	if (place.offset !== offset || place.bytes !== bytes) {
		throw misplaced(
			`${name} lies in the wrong place`,
			`${place.bytes} bytes at ${place.offset}`,
			`${bytes} bytes at ${offset}`,
		);
	}
	return offset + bytes;
}

function misplaced(what: string, got: string, expected: string): ProtocolError {
	return new ProtocolError("PSGL_PROTOCOL_TENSOR", {
		what,
		got,
		expected,
		remedy: "The sender must lay out tensors as docs/protocol.md says",
	});
}
