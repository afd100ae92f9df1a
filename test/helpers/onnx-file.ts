import protobuf from "protobufjs/light.js";

type Message = (writer: protobuf.Writer) => void;

/** An attribute as an exporter writes it: one integer, several, a number, a text, a constant tensor of int64, a graph. */
export type FileAttribute =
	| { i: number }
	| { ints: readonly number[] }
	| { f: number }
	| { s: string }
	| { tensor: readonly number[] }
	| { graph: FileGraph }
	/** In a function: an attribute of the calling node, an integer. */
	| { reference: string };

type GraphParts = Pick<OnnxFile, "nodes" | "outputs" | "floats">;

/** A branch of an If, or the body of a Scan with names of its inputs. */
export type FileGraph = GraphParts & { readonly inputs?: readonly string[] };

export interface FileNode {
	readonly type: string;
	readonly inputs: readonly string[];
	readonly outputs: readonly string[];
	readonly attributes?: Readonly<Record<string, FileAttribute>>;
	readonly domain?: string;
}

/** A function of the domain `own`. */
export interface FileFunction {
	readonly name: string;
	readonly inputs: readonly string[];
	readonly outputs: readonly string[];
	readonly nodes: readonly FileNode[];
	/** Attributes without a default. */
	readonly attributes?: readonly string[];
	readonly defaults?: Readonly<Record<string, FileAttribute>>;
}

export interface ExternalTensor {
	readonly dims: readonly number[];
	/** Keys such as location, offset and length. */
	readonly entries: Readonly<Record<string, string>>;
}

export interface OnnxFile {
	readonly opset: number;
	/** float32 inputs; a text stands for a named extent. */
	readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
	readonly outputs: readonly string[];
	readonly nodes: readonly FileNode[];
	/** float32 initialisers, written as typed fields, not raw bytes. */
	readonly floats?: Readonly<Record<string, readonly number[]>>;
	/** float32 initialisers in other files, with the entries that say where. */
	readonly external?: Readonly<Record<string, ExternalTensor>>;
	/** float16 initialisers, as bit patterns in raw bytes. */
	readonly halves?: Readonly<Record<string, readonly number[]>>;
	/** Whether the file has a sparse initialiser. */
	readonly sparse?: boolean;
	/** Shapes of float32 values inside. */
	readonly shapes?: Readonly<Record<string, readonly (number | string)[]>>;
	readonly functions?: readonly FileFunction[];
}

/**
 * Writes an ONNX file field by field, as a foreign exporter would: by the numbers in onnx.proto, not by the code under
 * test.
 */
export function onnxFile(file: OnnxFile): Uint8Array {
	const { external = {}, halves = {}, sparse = false, shapes = {} } = file;
	const graph: Message = (w) => {
		writeGraph(w, file);
		for (const [name, tensor] of Object.entries(external)) message(w, 5, (t) => writeExternal(t, name, tensor));
		for (const [name, patterns] of Object.entries(halves)) message(w, 5, (t) => writeHalves(t, name, patterns));
		for (const [name, shape] of Object.entries(file.inputs)) message(w, 11, (i) => writeInput(i, name, shape));
		for (const [name, shape] of Object.entries(shapes)) message(w, 13, (i) => writeInput(i, name, shape));
		if (sparse) message(w, 15, (s) => message(s, 1, (values) => writeFloats(values, "sparse", [1])));
	};
	const writer = protobuf.Writer.create();
	integer(writer, 1, 8);
	message(writer, 7, graph);
	message(writer, 8, (o) => integer(o, 2, file.opset));
	const { functions = [] } = file;
	if (functions.length > 0) message(writer, 8, writeOwnDomain);
	for (const own of functions) message(writer, 25, (f) => writeFunction(f, own, file.opset));
	return writer.finish();
}

function writeOwnDomain(w: protobuf.Writer): void {
	text(w, 1, "own");
	integer(w, 2, 1);
}

function writeFunction(w: protobuf.Writer, own: FileFunction, opset: number): void {
	text(w, 1, own.name);
	for (const name of own.inputs) text(w, 4, name);
	for (const name of own.outputs) text(w, 5, name);
	for (const name of own.attributes ?? []) text(w, 6, name);
	for (const node of own.nodes) message(w, 7, (n) => writeNode(n, node));
	message(w, 9, (o) => integer(o, 2, opset));
	message(w, 9, writeOwnDomain);
	text(w, 10, "own");
	for (const [name, value] of Object.entries(own.defaults ?? {})) message(w, 11, (a) => writeAttribute(a, name, value));
}

function writeGraph(w: protobuf.Writer, { nodes, outputs, floats = {} }: GraphParts): void {
	for (const node of nodes) message(w, 1, (n) => writeNode(n, node));
	text(w, 2, "graph");
	for (const [name, values] of Object.entries(floats)) message(w, 5, (t) => writeFloats(t, name, values));
	for (const name of outputs) message(w, 12, (o) => text(o, 1, name));
}

const integer = (w: protobuf.Writer, field: number, value: number) => w.uint32(field << 3).int64(value);
const text = (w: protobuf.Writer, field: number, value: string) => w.uint32((field << 3) | 2).string(value);

function message(w: protobuf.Writer, field: number, write: Message): void {
	w.uint32((field << 3) | 2).fork();
	write(w);
	w.ldelim();
}

function writeNode(w: protobuf.Writer, { type, inputs, outputs, attributes = {}, domain }: FileNode): void {
	for (const name of inputs) text(w, 1, name);
	for (const name of outputs) text(w, 2, name);
	text(w, 4, type);
	for (const [name, attribute] of Object.entries(attributes)) message(w, 5, (a) => writeAttribute(a, name, attribute));
	if (domain !== undefined) text(w, 7, domain);
}

function writeAttribute(w: protobuf.Writer, name: string, attribute: FileAttribute): void {
	text(w, 1, name);
	if ("f" in attribute) {
		w.uint32((2 << 3) | 5).float(attribute.f);
		integer(w, 20, 1);
	} else if ("s" in attribute) {
		text(w, 4, attribute.s);
		integer(w, 20, 3);
	} else if ("i" in attribute) {
		integer(w, 3, attribute.i);
		integer(w, 20, 2);
	} else if ("ints" in attribute) {
		for (const value of attribute.ints) integer(w, 8, value);
		integer(w, 20, 7);
	} else if ("graph" in attribute) {
		message(w, 6, (g) => {
			writeGraph(g, attribute.graph);
			for (const input of attribute.graph.inputs ?? []) message(g, 11, (i) => text(i, 1, input));
		});
		integer(w, 20, 5);
	} else if ("reference" in attribute) {
		text(w, 21, attribute.reference);
		integer(w, 20, 2);
	} else {
		const { tensor } = attribute;
		message(w, 5, (t) => {
			integer(t, 1, tensor.length);
			integer(t, 2, 7);
			for (const value of tensor) integer(t, 7, value);
		});
		integer(w, 20, 4);
	}
}

function writeFloats(w: protobuf.Writer, name: string, values: readonly number[]): void {
	integer(w, 1, values.length);
	integer(w, 2, 1);
	w.uint32((4 << 3) | 2).fork();
	for (const value of values) w.float(value);
	w.ldelim();
	text(w, 8, name);
}

function writeExternal(w: protobuf.Writer, name: string, { dims, entries }: ExternalTensor): void {
	for (const extent of dims) integer(w, 1, extent);
	integer(w, 2, 1);
	text(w, 8, name);
	for (const [key, value] of Object.entries(entries)) {
		message(w, 13, (entry) => {
			text(entry, 1, key);
			text(entry, 2, value);
		});
	}
	integer(w, 14, 1);
}

function writeHalves(w: protobuf.Writer, name: string, patterns: readonly number[]): void {
	integer(w, 1, patterns.length);
	integer(w, 2, 10);
	text(w, 8, name);
	w.uint32((9 << 3) | 2).bytes(new Uint8Array(Uint16Array.from(patterns).buffer));
}

function writeInput(w: protobuf.Writer, name: string, shape: readonly (number | string)[]): void {
	const dimension = (d: number | string) => (w2: protobuf.Writer) => {
		if (typeof d === "number") integer(w2, 1, d);
		else text(w2, 2, d);
	};
	text(w, 1, name);
	message(w, 2, (type) =>
		message(type, 1, (tensorType) => {
			integer(tensorType, 1, 1);
			message(tensorType, 2, (s) => {
				for (const d of shape) message(s, 1, dimension(d));
			});
		}),
	);
}
