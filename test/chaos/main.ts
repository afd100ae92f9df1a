import { parseArgs } from "node:util";
import { runChaos } from "./chaos.js";

const help = `Kills broker with aggregator and devices at random moments over bad links, and counts what was lost or doubled.

  npm run chaos -- [--kills 200] [--devices 20] [--seed 1] [--window 1] [--labels shared]

  --kills N    processes to kill, four in five of them devices
  --devices N  devices, a process each
  --seed N     decides who is killed when, and what the links do
  --window N   batches a device may have in flight
  --labels L   shared: devices send their labels; device: labels stay there

The last line is the result as JSON (docs/development.md). Exit code 1 when a batch was lost or doubled, or the weights differ from the
replay's; 2 when an option cannot be used.
`;

/** The options; undefined, after a message, when they cannot be used or help was asked for. */
function options() {
	const count = { type: "string" } as const;
	try {
		const { values } = parseArgs({
			options: {
				kills: { ...count, default: "200" },
				devices: { ...count, default: "20" },
				seed: { ...count, default: "1" },
				window: { ...count, default: "1" },
				labels: { type: "string", default: "shared" },
				help: { type: "boolean", short: "h", default: false },
			},
		});
		if (values.help) {
			console.log(help);
			return undefined;
		}
		const [kills = 0, devices = 0, seed = 0, window = 0] = [
			values.kills,
			values.devices,
			values.seed,
			values.window,
		].map(Number);
		const { labels } = values;
		if (labels !== "shared" && labels !== "device") throw new TypeError("--labels is shared or device");
		if (![kills, devices, seed, window].every(Number.isInteger)) {
			throw new TypeError("--kills, --devices, --seed and --window are whole numbers");
		}
		return { kills, devices, seed, window, labels } as const;
	} catch (error) {
		console.error(`${(error as Error).message}\n\n${help}`);
		process.exitCode = 2;
		return undefined;
	}
}

const given = options();
if (given !== undefined) {
	const result = await runChaos({ ...given, onProgress: (line) => console.error(line) });
	console.log(JSON.stringify(result));
	process.exitCode = result.lost === 0 && result.doubled === 0 && result.bitIdentical ? 0 : 1;
}
