/**
 * psgl beside PyTorch on the same machine in the same minutes.
 *
 *     npm run bench -- [--only step,map,recovery,inference,resnet,overhead,memory,throughput,overlap,decisions,idle,round] [--shapes 1x28,3x64,1x128]
 *                      [--batch 32,64] [--threads 1,2] [--turns 20] [--steps 2000] [--connections 10000] [--devices 1000] [--rate 200] [--json]
 *
 * A ratio is our time over PyTorch's: the median of the turns, and its quartiles. Left to itself it does all but the
 * long memory run (`--only memory --steps 20000`), `throughput` and `overlap` (eight devices over MQTT), `decisions` (`--rate 200` a second), `idle` (memory of connections that
 * wait) and `round` (a round of many devices). With --json one object a line.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { measureDecisions } from "./decisions.js";
import { measureIdle } from "./idle-connections.js";
import { measureRound } from "./many-devices.js";
import { measureMemory } from "./memory.js";
import { measureOverhead } from "./overhead.js";
import { paired, timed } from "./paired.js";
import { inference, map, type Piece, psglStep, recovery, resnetStep, vanillaStep } from "./pieces.js";
import { type Reference, type ReferencePiece, startReference } from "./reference.js";
import { measureOverlap, measureThroughput } from "./throughput.js";

const { values: options } = parseArgs({
	options: {
		only: { type: "string", default: "step,map,recovery,inference,resnet,overhead,memory" },
		shapes: { type: "string", default: "1x28,3x64,1x128" },
		batch: { type: "string", default: "32,64" },
		threads: { type: "string", default: "1,2" },
		turns: { type: "string", default: "20" },
		steps: { type: "string", default: "2000" },
		connections: { type: "string", default: "10000" },
		devices: { type: "string", default: "1000" },
		rate: { type: "string", default: "200" },
		json: { type: "boolean", default: false },
		help: { type: "boolean", default: false },
	},
});
if (options.help) {
	console.log(`Times psgl beside PyTorch in the same minutes (docs/performance.md).

npm run bench -- [--only step,map,recovery,inference,resnet,overhead,memory,throughput,overlap,decisions,idle,round] [--shapes 1x28,3x64,1x128]
                 [--batch 32,64] [--threads 1,2] [--turns 20] [--steps 2000] [--connections 10000] [--devices 1000] [--rate 200] [--json]`);
	process.exit(0);
}
const wanted = new Set(options.only.split(","));
const numbers = (list: string) => list.split(",").map(Number);
const pictures = options.shapes.split(",").map((shape) => {
	const [channels, size] = shape.split("x").map(Number) as [number, number];
	return { channels, size };
});
const matrices = [
	[32, 49],
	[32, 256],
	[32, 1024],
	[64, 1024],
] as const;

function print(row: string, result: object): void {
	if (options.json) {
		console.log(JSON.stringify({ row, ...result }));
		return;
	}
	const cells = Object.entries(result).map(
		([name, value]) => `${name} ${Array.isArray(value) ? value.join("..") : value}`,
	);
	console.log(`${row.padEnd(44)} ${cells.join("  ")}`);
}

async function compare(
	row: string,
	reference: Reference,
	make: () => Promise<Piece>,
	piece: ReferencePiece,
	args: readonly (string | number)[],
	runsPerTurn: number,
): Promise<void> {
	const ours = await make();
	await reference.prepare(piece, args);
	const work = timed(() => ours.run());
	print(row, await paired(work, reference.timed, { turns: Number(options.turns), runsPerTurn }));
	await ours.close();
}

async function compareAll(threads: number): Promise<void> {
	const reference = await startReference(threads);
	if (reference === undefined) {
		console.error(
			"no PyTorch in /usr/bin/python3 (Debian: python3-torch) or no ../shared/baseline: nothing to compare with",
		);
		return;
	}
	print(`threads ${threads}`, { runtime: nodeRuntime.version, pytorch: reference.version, cpu: cpus()[0]?.model });
	const at = (name: string, batch: number) => `${name}, batch ${batch}, ${threads} thr`;
	for (const picture of pictures) {
		const { channels, size } = picture;
		const shape = `${channels}x${size}x${size}`;
		const runs = size > 32 ? 1 : 3;
		for (const batch of numbers(options.batch)) {
			if (wanted.has("step")) {
				const psgl = () => psglStep(picture, batch, threads);
				await compare(at(`PSGL step ${shape}`, batch), reference, psgl, "step", ["psgl", channels, size, batch], runs);
				const vanilla = () => vanillaStep(picture, batch, threads);
				await compare(
					at(`vanilla step ${shape}`, batch),
					reference,
					vanilla,
					"step",
					["vanilla", channels, size, batch],
					runs,
				);
			}
			if (wanted.has("map")) {
				const make = () => map(picture, batch, threads);
				await compare(at(`map ${shape}`, batch), reference, make, "map", [channels, size, batch], runs);
			}
		}
		if (wanted.has("inference")) {
			const make = () => inference(picture, threads);
			await compare(at(`client inference ${shape}`, 1), reference, make, "inference", [channels, size], 50);
		}
	}
	if (wanted.has("recovery")) {
		for (const [rows, columns] of matrices) {
			const make = () => recovery(rows, columns, 32, threads);
			await compare(at(`recovery [${rows},${columns}]`, 32), reference, make, "recovery", [rows, columns, 32], 3);
		}
	}
	if (wanted.has("resnet")) {
		await compare(at("ResNet-18 step 3x64x64", 32), reference, () => resnetStep(32, threads), "resnet", [32], 1);
	}
	await reference.close();
}

if (["step", "map", "inference", "recovery", "resnet"].some((piece) => wanted.has(piece))) {
	for (const threads of numbers(options.threads)) await compareAll(threads);
}
if (wanted.has("overhead")) {
	for (const picture of pictures) {
		const row = `overhead of a step ${picture.channels}x${picture.size}x${picture.size}, batch 32`;
		print(row, await measureOverhead(picture, 32, 20));
	}
}
if (wanted.has("memory")) print("memory of a training device, 1x28x28", await measureMemory(32, Number(options.steps)));
for (const picture of pictures) {
	const shape = `${picture.channels}x${picture.size}x${picture.size}`;
	if (wanted.has("throughput")) {
		print(`steps/s over MQTT ${shape}, 8 devices, batch 32`, await measureThroughput(picture, Number(options.turns)));
	}
	if (wanted.has("overlap"))
		print(`time of rounds over that of the cloud's graphs ${shape}, 8 devices`, await measureOverlap(picture));
	if (wanted.has("decisions")) {
		print(`decisions ${shape}, ${options.rate} a second`, await measureDecisions(picture, Number(options.rate)));
	}
}
if (wanted.has("idle")) print("memory of waiting devices", await measureIdle(Number(options.connections)));
if (wanted.has("round")) print("a round of devices, 1x28x28, batch 16", await measureRound(Number(options.devices)));
