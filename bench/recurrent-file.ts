import protobuf from "protobufjs/light.js";

export interface RecurrentFile {
	readonly type: "LSTM" | "GRU";
	readonly steps: number;
	readonly inputs: number;
	readonly hidden: number;
	/** One node for each so many time steps, the states handed on. */
	readonly chunk: number;
}

/** A recurrent layer as an ONNX file: X [L,N,I], W, R and B as inputs, Y [L,1,N,H]. */
export function recurrentFile({ type, steps, inputs, hidden, chunk }: RecurrentFile): Uint8Array {
	const rows = (type === "LSTM" ? 4 : 3) * hidden;
	const chunks = Math.ceil(steps / chunk);
	const names = (prefix: string) => Array.from({ length: chunks }, (_, i) => `${prefix}${i}`);
	const states = type === "LSTM" ? ["h", "c"] : ["h"];
	const w = protobuf.Writer.create();
	integer(w, 1, 8);
	message(w, 7, (graph) => {
		node(graph, "Split", ["X"], names("x"), [["axis", 0]]);
		for (let i = 0; i < chunks; i++) {
			const before = i === 0 ? [] : ["", ...states.map((s) => `${s}${i - 1}`)];
			const attributes = [["hidden_size", hidden], ...(type === "GRU" ? [["linear_before_reset", 1]] : [])] as const;
			node(
				graph,
				type,
				[`x${i}`, "W", "R", "B", ...before],
				[`y${i}`, ...states.map((s) => `${s}${i}`)],
				attributes as readonly (readonly [string, number])[],
			);
		}
		node(graph, "Concat", names("y"), ["Y"], [["axis", 0]]);
		text(graph, 2, "recurrent");
		for (const [name, dims] of Object.entries({
			X: [steps, "N", inputs],
			W: [1, rows, inputs],
			R: [1, rows, hidden],
			B: [1, 2 * rows],
		})) {
			message(graph, 11, (info) => declaration(info, name, dims));
		}
		message(graph, 12, (info) => text(info, 1, "Y"));
	});
	message(w, 8, (opset) => integer(opset, 2, 14));
	return w.finish();
}

const integer = (w: protobuf.Writer, field: number, value: number) => w.uint32(field << 3).int64(value);
const text = (w: protobuf.Writer, field: number, value: string) => w.uint32((field << 3) | 2).string(value);

function message(w: protobuf.Writer, field: number, write: (inner: protobuf.Writer) => void): void {
	w.uint32((field << 3) | 2).fork();
	write(w);
	w.ldelim();
}

function node(
	graph: protobuf.Writer,
	type: string,
	inputs: readonly string[],
	outputs: readonly string[],
	attributes: readonly (readonly [string, number])[],
): void {
	message(graph, 1, (n) => {
		for (const name of inputs) text(n, 1, name);
		for (const name of outputs) text(n, 2, name);
		text(n, 4, type);
		for (const [name, value] of attributes) {
			message(n, 5, (a) => {
				text(a, 1, name);
				integer(a, 3, value);
				integer(a, 20, 2);
			});
		}
	});
}

function declaration(info: protobuf.Writer, name: string, dims: readonly (number | string)[]): void {
	text(info, 1, name);
	message(info, 2, (type) =>
		message(type, 1, (tensorType) => {
			integer(tensorType, 1, 1);
			message(tensorType, 2, (shape) => {
				for (const d of dims) {
					message(shape, 1, (dim) => (typeof d === "number" ? integer(dim, 1, d) : text(dim, 2, d)));
				}
			});
		}),
	);
}
