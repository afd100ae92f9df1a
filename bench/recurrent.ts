/**
 * An LSTM and a GRU (32 inputs, 64 units, batch 16) forward and backward over more and more time steps: as the Scan that
 * psgl makes of them, written out step by step, and forward alone by ONNX Runtime's own kernel.
 *
 *     npx tsc -b bench && node build/bench/recurrent.js [--runs 20]
 *
 * Time to load and median of the runs in milliseconds, with the least and the most; the forms take turns.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { differentiate, encodeModel, GraphBuilder, importModel, onnxLimits, type Value } from "@psgl/models";
import { type Session, seededRandom, type Tensor, tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { recurrentFile } from "./recurrent-file.js";

const { values } = parseArgs({ options: { runs: { type: "string", default: "20" } } });
const [inputs, hidden, batch] = [32, 64, 16];
/** Longer graphs of written-out steps take minutes to load. */
const longestWrittenOut = 128;

/** The layer of a file with the gradients of its inputs and weights. */
function withGradients(file: Uint8Array): Uint8Array {
	const g = new GraphBuilder("recurrent");
	const wrt: Value[] = [];
	const y = importModel(g, file, {
		input(name, dtype, shape) {
			const value = g.input(name, dtype, shape);
			wrt.push(value);
			return value;
		},
		initializer: (name, value) => g.constant(value, name),
	}).get("Y") as Value;
	const gradients = differentiate(g, [{ value: y, gradient: y }], wrt);
	gradients.forEach((gradient, i) => {
		g.output(`gradient ${i}`, gradient as Value);
	});
	g.output("Y", y);
	return encodeModel(g.build());
}

function feeds(type: "LSTM" | "GRU", steps: number): Record<string, Tensor> {
	const rows = (type === "LSTM" ? 4 : 3) * hidden;
	const random = seededRandom(1);
	const shapes = { X: [steps, batch, inputs], W: [1, rows, inputs], R: [1, rows, hidden], B: [1, 2 * rows] };
	return Object.fromEntries(
		Object.entries(shapes).map(([name, dims]) => {
			const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 0.2 * random.normal());
			return [name, tensor("float32", dims, data)];
		}),
	);
}

for (const type of ["LSTM", "GRU"] as const) {
	for (const steps of [32, 128, 512, 1024]) {
		const file = recurrentFile({ type, steps, inputs, hidden, chunk: steps });
		const short = recurrentFile({ type, steps, inputs, hidden, chunk: onnxLimits.maxUnrolledSteps });
		const forms: [string, Uint8Array][] = [
			["Scan", withGradients(file)],
			...(steps <= longestWrittenOut ? [["written out", withGradients(short)] as [string, Uint8Array]] : []),
			["kernel, forward alone", file],
		];
		const sessions: { name: string; session: Session; load: number; milliseconds: number[] }[] = [];
		for (const [name, bytes] of forms) {
			const start = performance.now();
			const session = await nodeRuntime.load(bytes, { threads: 1 });
			sessions.push({ name, session, load: performance.now() - start, milliseconds: [] });
		}
		const fed = feeds(type, steps);
		for (let run = 0; run <= Number(values.runs); run++) {
			for (const { session, milliseconds } of sessions) {
				const start = performance.now();
				await session.run(fed);
				if (run > 0) milliseconds.push(performance.now() - start);
			}
		}
		for (const { name, session, load, milliseconds } of sessions) {
			milliseconds.sort((a, b) => a - b);
			const [median, least, most] = [milliseconds[milliseconds.length >> 1], milliseconds[0], milliseconds.at(-1)];
			const [m, l, h] = [median, least, most].map((ms) => ms?.toFixed(1));
			console.log(
				`${type} ${String(steps).padStart(4)} ${name.padEnd(22)} load ${load.toFixed(0)}, step ${m} (${l} to ${h})`,
			);
			await session.close();
		}
	}
}
console.log(`load average ${loadavg()[0]?.toFixed(2)}`);
