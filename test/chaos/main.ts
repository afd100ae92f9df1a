import { parseArgs } from "node:util";
import { runChaos } from "./chaos.js";

/** `npm run chaos -- --kills 200 --seed 1 --devices 20`: the last line is the result as JSON. */
const { values } = parseArgs({
	options: {
		kills: { type: "string", default: "200" },
		devices: { type: "string", default: "20" },
		seed: { type: "string", default: "1" },
	},
});
const result = await runChaos({
	kills: Number(values.kills),
	devices: Number(values.devices),
	seed: Number(values.seed),
	onProgress: (line) => console.error(line),
});
console.log(JSON.stringify(result));
process.exitCode = result.lost === 0 && result.doubled === 0 && result.bitIdentical ? 0 : 1;
