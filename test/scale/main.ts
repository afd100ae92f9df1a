import { parseArgs } from "node:util";
import { runScaleOut } from "./scale-out.js";

const help = `Three NATS servers and three aggregators on loopback: kills servers and aggregators in turn, and all servers
together, and counts what was lost or doubled. Then measures one, two and three aggregators on simulated step times.

  npm run scale -- [--only kills] [--devices 300] [--rounds 4] [--step-ms 300]

  --only WHAT    kills, or speedup: one of the two alone
  --devices N    devices of the run with kills
  --rounds N     its rounds
  --step-ms N    milliseconds a server step takes in the measurement, beyond what it takes here
  --json         only the result

The last line is the result as JSON (docs/development.md). Exit code 1 when a batch was lost or doubled, or the weights differ from a
replay's; 2 when an option cannot be used.
`;

/** Devices that the hash deals evenly over two and over three partitions: 30 and 29; 20, 19 and 20. */
const measuredDevices = 59;

/** Training batches of a device in a round. */
const batches = 8;

/** The options; undefined, after a message, when they cannot be used or help was asked for. */
function options() {
	const count = { type: "string" } as const;
	try {
		const { values } = parseArgs({
			options: {
				devices: { ...count, default: "300" },
				rounds: { ...count, default: "4" },
				only: { type: "string" },
				"step-ms": { ...count, default: "300" },
				json: { type: "boolean", default: false },
				help: { type: "boolean", short: "h", default: false },
			},
		});
		if (values.help) {
			console.log(help);
			return undefined;
		}
		const numbers = [values.devices, values.rounds, values["step-ms"]].map(Number);
		if (!numbers.every((number) => Number.isInteger(number) && number >= 0)) {
			throw new TypeError("--devices, --rounds and --step-ms are whole numbers");
		}
		const { only, json } = values;
		if (only !== undefined && only !== "kills" && only !== "speedup") throw new TypeError("--only is kills or speedup");
		const [devices = 0, rounds = 0, stepMs = 0] = numbers;
		return { only, devices, rounds, stepMs, json };
	} catch (error) {
		console.error(`${(error as Error).message}\n\n${help}`);
		process.exitCode = 2;
		return undefined;
	}
}

/** Throughput with two and three aggregators as a multiple of one's, in this run. */
async function measureSpeedup(stepMs: number, onProgress: (line: string) => void) {
	const speeds: number[] = [];
	for (const aggregators of [1, 2, 3]) {
		const measured = { devices: measuredDevices, rounds: 1, groupSize: 1, stepMs, kills: false };
		const { stepsPerSecond } = await runScaleOut({ nodes: 3, batches, ...measured, aggregators, onProgress });
		onProgress(`${aggregators} aggregators: ${stepsPerSecond.toFixed(1)} batches a second`);
		speeds.push(stepsPerSecond);
	}
	const [one = 1, two = 0, three = 0] = speeds;
	return { 2: two / one, 3: three / one };
}

const given = options();
if (given !== undefined) {
	const { only, devices, rounds, stepMs, json } = given;
	const onProgress = (line: string) => json || console.error(line);
	const killed =
		only === "speedup"
			? undefined
			: await runScaleOut({ nodes: 3, aggregators: 3, batches, devices, rounds, kills: true, onProgress });
	const speedup = only === "kills" ? undefined : await measureSpeedup(stepMs, onProgress);
	const { stepsPerSecond: _measured, ...counts } = killed ?? {};
	console.log(JSON.stringify({ ...counts, speedup }));
	const { lost, doubled, bitIdentical } = killed ?? { lost: 0, doubled: 0, bitIdentical: true };
	process.exitCode = lost === 0 && doubled === 0 && bitIdentical ? 0 : 1;
}
