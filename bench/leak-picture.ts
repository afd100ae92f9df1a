/**
 * The README's picture of what leaks: synthetic pictures, what devices send of them, and what the closed-form decoder makes of that. Rows
 * from above: original; smashed data of `paper`; rebuilt without a defence, from `paper`; code of `shield`; rebuilt from `shield`.
 *
 *   node build/bench/leak-picture.js [--out docs/images/leak.png] [--seed 1]
 */
import { parseArgs } from "node:util";
import { phantomSplits } from "@psgl/firmware-sim";
import { type PrivacyMode, presetDefinition, quickLeak, trainBriefly, zooNetwork } from "@psgl/models";
import { seededRandom, type Tensor } from "@psgl/sdk";
import { nodeRuntime as runtime } from "@psgl/sdk/runtime/node";
import sharp from "sharp";

type Real = Tensor<"float32">;

const { values: options } = parseArgs({
	options: { out: { type: "string", default: "docs/images/leak.png" }, seed: { type: "string", default: "1" } },
});

const columns = 8;
/** Pixels of a tile's side, and between tiles. */
const [side, gap] = [84, 4];
const steps = 160;

/** One sample of a batch as a square of values in [0,1], channels side by side. */
function tile({ dims, data }: Real, index: number, range: readonly [number, number]) {
	const [count = 1, channels = 1, height = 1, width = 1] = dims;
	const own = data.subarray((index * data.length) / count, ((index + 1) * data.length) / count);
	const across = Math.ceil(Math.sqrt(channels));
	const [wide, high] = [across * width, Math.ceil(channels / across) * height];
	const pixels = Buffer.alloc(wide * high);
	for (const [i, value] of own.entries()) {
		const [channel, at] = [Math.floor(i / (height * width)), i % (height * width)];
		const y = Math.floor(channel / across) * height + Math.floor(at / width);
		const grey = (value - range[0]) / (range[1] - range[0]);
		pixels[y * wide + (channel % across) * width + (at % width)] = Math.round(255 * Math.min(Math.max(grey, 0), 1));
	}
	return sharp(pixels, { raw: { width: wide, height: high, channels: 1 } })
		.resize(side, side, { kernel: "nearest", fit: "fill" })
		.png()
		.toBuffer();
}

async function main(): Promise<void> {
	const seed = Number(options.seed);
	const splits = phantomSplits({ seed, size: 28, train: 1200 });
	const { train } = splits;
	const random = seededRandom(seed).fork("leak picture");
	const trained = (mode: PrivacyMode) => {
		const definition = presetDefinition(mode, zooNetwork("lenet"), train.shape, train.classes, train.length);
		return trainBriefly(definition, mode, train, { runtime, threads: 1, random: random.fork(mode), steps });
	};
	const networks = { paper: await trained("paper"), shield: await trained("shield") };
	const found = await quickLeak(networks, await trained("none"), splits, {
		runtime,
		threads: 1,
		wire: "float16",
		random,
	});
	const { paper, shield } = found.networks as Record<"paper" | "shield", (typeof found.networks)[string]>;
	const brightest = paper.seen.data.reduce((a, b) => Math.max(a, b), 0);
	const rows: readonly (readonly [Real, readonly [number, number]])[] = [
		[found.originals, [0, 1]],
		[paper.seen, [0, brightest / 2]],
		[found.undefended.rebuilt, [0, 1]],
		[paper.rebuilt, [0, 1]],
		[shield.seen, [-1, 1]],
		[shield.rebuilt, [0, 1]],
	];
	const tiles = await Promise.all(
		rows.flatMap(([batch, range], row) =>
			Array.from({ length: columns }, async (_, column) => ({
				input: await tile(batch, column, range),
				left: column * (side + gap),
				top: row * (side + gap),
			})),
		),
	);
	const [width, height] = [columns * (side + gap) - gap, rows.length * (side + gap) - gap];
	await sharp({ create: { width, height, channels: 3, background: "white" } })
		.composite(tiles)
		.png({ palette: true })
		.toFile(options.out);
	const { leak, leakBeyondLabel } = paper;
	const told = {
		paper: { leak, leakBeyondLabel },
		shield: { leak: shield.leak, leakBeyondLabel: shield.leakBeyondLabel },
	};
	console.log(JSON.stringify({ out: options.out, ...told }));
}

await main();
