import { parseArgs } from "node:util";
import { runScaleOut } from "./scale-out.js";

const help = `Three NATS servers and three aggregators on loopback: kills servers and aggregators in turn, and all servers
together, and counts what was lost or doubled. Then measures one, two and three aggregators on simulated step times.

  npm run scale -- [--devices 300] [--rounds 2] [--step-ms 100]

  --devices N    devices of the run with kills
  --rounds N     its rounds
  --step-ms N    milliseconds a server step takes in the measurement, beyond what it takes here; 0 leaves it out
  --json         only the result

The last line is the result as JSON (docs/deployment.md). Exit code 1 when a batch was lost or doubled, or the weights differ from a
replay's; 2 when an option cannot be used.
`;

/** Devices that the hash deals evenly over two and over three partitions: 30 and 28; 20, 18 and 20. */
const measuredDevices = 58;

/** The options; undefined, after a message, when they cannot be used or help was asked for. */
function options() {
	const count = { type: "string" } as const;
	try {
		const { values } = parseArgs({
			options: {
				devices: { ...count, default: "300" },
				rounds: { ...count, default: "2" },
				"step-ms": { ...count, default: "100" },
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
		const [devices = 0, rounds = 0, stepMs = 0] = numbers;
		return { devices, rounds, stepMs, json: values.json };
	} catch (error) {
		console.error(`${(error as Error).message}\n\n${help}`);
		process.exitCode = 2;
		return undefined;
	}
}

const given = options();
if (given !== undefined) {
	const { devices, rounds, stepMs, json } = given;
	const onProgress = (line: string) => json || console.error(line);
	const common = { nodes: 3, batches: 8, onProgress };
	const killed = await runScaleOut({ ...common, aggregators: 3, devices, rounds, kills: true });
	const speeds: number[] = [];
	for (const aggregators of stepMs > 0 ? [1, 2, 3] : []) {
		const measured = { devices: measuredDevices, rounds: 1, groupSize: 2, stepMs, kills: false };
		const { stepsPerSecond } = await runScaleOut({ ...common, ...measured, aggregators });
		onProgress(`${aggregators} aggregators: ${stepsPerSecond.toFixed(1)} batches a second`);
		speeds.push(stepsPerSecond);
	}
	const [one = 1, two, three] = speeds;
	const speedup = two === undefined || three === undefined ? {} : { 2: two / one, 3: three / one };
	const { stepsPerSecond: _measured, ...counts } = killed;
	console.log(JSON.stringify({ ...counts, speedup }));
	process.exitCode = killed.lost === 0 && killed.doubled === 0 && killed.bitIdentical ? 0 : 1;
}
