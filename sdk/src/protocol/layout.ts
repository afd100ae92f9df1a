import { ProtocolError } from "../errors.js";
import { bytesPerElement, elementCount, type Tensor, tensorBytes, tensorFromBytes } from "../tensor.js";
import { packCode, packedBytes, unpackCode } from "./code-bits.js";
import { requireFinite } from "./finite.js";
import { checkHeader, type Header, type TensorDescriptor } from "./headers.js";
import type { Message } from "./messages.js";
import { checkTensors, tensorNames } from "./tensor-rules.js";
import type { CodeTensor, WireTensor } from "./tensors.js";

const nothing = new Uint8Array(0);

/**
 * Takes a message apart into its header and its body, the tensors' bytes one after the other.
 * @throws ProtocolError `PSGL_PROTOCOL_HEADER`, `PSGL_PROTOCOL_TENSOR`; NumericError `PSGL_PROTOCOL_NOT_FINITE`.
 */
export function layOut(message: Message): { header: Header; body: Uint8Array } {
	if (message.type === "artifact") {
		const { body, ...fields } = message;
		return { header: checkHeader(fields), body };
	}
	if (!("tensors" in message) || message.tensors === undefined) return { header: checkHeader(message), body: nothing };
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
		requireFinite(tensor, name);
		const scale = tensor.scale && place(tensorBytes(tensor.scale));
		descriptors.push({ name, dtype: tensor.dtype, dims: tensor.dims, ...place(tensorBytes(tensor)), scale });
	}
	const header = checkHeader({ ...message, tensors: descriptors });
	checkLayout(header, offset);
	return { header, body: parts.length === 1 ? (parts[0] as Uint8Array) : concatenate(parts, offset) };
}

/**
 * Puts a message together from a checked header and its whole body, which it copies.
 * @throws ProtocolError `PSGL_PROTOCOL_TENSOR`; NumericError `PSGL_PROTOCOL_NOT_FINITE`.
 */
export function putTogether(header: Header, body: Uint8Array): Message {
	const { chunk: _, tensors: descriptors, ...fields } = header;
	// A copy, like the tensors: what came in may be a view on a network buffer.
	if (fields.type === "artifact") return { ...fields, body: new Uint8Array(body) };
	checkLayout(header, body.length);
	if (descriptors === undefined) return fields as Message;
	const tensors: Record<string, WireTensor | CodeTensor> = {};
	for (const d of descriptors) {
		if (d.dtype === "code") {
			tensors[d.name] = readCode(d, body);
			continue;
		}
		const values = tensorFromBytes(d.dtype, d.dims, body.subarray(d.offset, d.offset + d.bytes)) as WireTensor;
		tensors[d.name] = d.scale === undefined ? values : { ...values, scale: readScale(d, body, d.scale.offset) };
		requireFinite(tensors[d.name] as WireTensor, d.name);
	}
	return { ...fields, tensors } as unknown as Message;
}

/**
 * Checks that what a header describes fits its type and fills a body of that length.
 * @throws ProtocolError `PSGL_PROTOCOL_TENSOR`.
 */
export function checkLayout({ type, tensors }: Header, bodyBytes: number): void {
	if (type === "artifact") return;
	if (tensors !== undefined) {
		checkTensors(type, tensors);
		checkPlaces(tensors, bodyBytes);
	} else if (bodyBytes > 0) {
		throw misplaced("a message without tensors has a body", `${bodyBytes} bytes`, "none");
	}
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

/** float16: one scale, shape []. int8: one per channel, [C]. */
function scaleDims(d: TensorDescriptor): readonly number[] {
	return d.dtype === "int8" ? [d.dims[1] as number] : [];
}

/** Scale, values, scale, values ... must follow each other without gaps and fill the body. */
function checkPlaces(descriptors: readonly TensorDescriptor[], bodyBytes: number): void {
	let offset = 0;
	for (const d of descriptors) {
		const quantised = d.dtype === "float16" || d.dtype === "int8";
		if (quantised !== (d.scale !== undefined)) {
			throw misplaced(
				`${d.name} does not fit its scale`,
				`${d.dtype} ${quantised ? "without" : "with"} a scale`,
				"a scale for float16 and int8 only",
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
	return dtype === "code" ? packedBytes(elementCount(dims), bits) : elementCount(dims) * bytesPerElement[dtype];
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

function concatenate(parts: readonly Uint8Array[], length: number): Uint8Array {
	const whole = new Uint8Array(length);
	let offset = 0;
	for (const part of parts) {
		whole.set(part, offset);
		offset += part.length;
	}
	return whole;
}

function misplaced(what: string, got: string, expected: string): ProtocolError {
	return new ProtocolError("PSGL_PROTOCOL_TENSOR", {
		what,
		got,
		expected,
		remedy: "The sender must lay out tensors as docs/protocol.md says",
	});
}
