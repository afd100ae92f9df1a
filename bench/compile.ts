/**
 * Time to read, list the cuts of and compile a network of ResNet-18's size from an ONNX file.
 *
 *     npx tsc -b bench && node build/bench/compile.js [--runs 5]
 *
 * Median, least and most of the runs in seconds, after one that is not counted.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { compileModel, importNetwork, listCuts, presetDefinition, privacyModes, readForeignModel } from "@psgl/models";
import { seededRandom } from "@psgl/sdk";
import { resnet18 } from "./resnet18.js";

const { values } = parseArgs({ options: { runs: { type: "string", default: "5" } } });
const file = resnet18();
console.log(`ONNX file of ${(file.byteLength / 1e6).toFixed(1)} MB; load ${loadavg()[0]?.toFixed(2)}`);

async function time(name: string, run: () => unknown): Promise<void> {
	await run();
	const seconds: number[] = [];
	for (let i = 0; i < Number(values.runs); i++) {
		const start = performance.now();
		await run();
		seconds.push((performance.now() - start) / 1000);
	}
	seconds.sort((a, b) => a - b);
	const [median, least, most] = [seconds[seconds.length >> 1], seconds[0], seconds.at(-1)].map((s) => s?.toFixed(2));
	console.log(`${name.padEnd(28)} ${median} s (${least} to ${most})`);
}

await time("read", () => readForeignModel(file));
await time("read and list cuts", () => listCuts(readForeignModel(file)));
const single = listCuts(readForeignModel(file)).filter(({ cut }) => cut.length === 1);
const cut = single.find(({ smashedShape }) => smashedShape[0] === 128)?.cut ?? [];
const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`);
for (const mode of privacyModes) {
	await time(`read and compile, ${mode}`, () => {
		const network = importNetwork(file, { name: "resnet18", cut });
		const definition = presetDefinition(mode, network, [3, 64, 64], classes);
		return compileModel(definition, { name: "resnet18", random: seededRandom(1) });
	});
}
