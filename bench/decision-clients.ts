/** Devices that ask for decisions at moments of their own, however late the answers are: `PORT DEVICES RATE SECONDS CHANNELS SIZE`. */
import { Device, seededRandom, systemClock, type Tensor } from "@psgl/sdk";
import { nodeRuntime } from "@psgl/sdk/runtime/node";

process.on("disconnect", () => process.exit());
const [port, count, rate, seconds, channels, size] = process.argv.slice(2).map(Number) as [
	number,
	number,
	number,
	number,
	number,
	number,
];
const random = seededRandom(1);
const url = `mqtt://127.0.0.1:${port}`;
const devices = await Promise.all(
	Array.from({ length: count }, (_, i) => Device.connect({ url, id: `asking-${i}`, runtime: nodeRuntime })),
);
const picture: Tensor<"float32"> = {
	dtype: "float32",
	dims: [1, channels, size, size],
	data: Float32Array.from({ length: channels * size * size }, () => random.uniform()),
};

/** Requests of a Poisson process for so long, each with the milliseconds from the moment it was due to its decision. */
async function ask(forMs: number): Promise<{ delays: number[]; alone: number }> {
	const delays: number[] = [];
	let alone = 0;
	const asked: Promise<void>[] = [];
	const start = performance.now();
	const one = async (dueMs: number) => {
		const device = devices[random.integer(devices.length)] as Device;
		const { source } = await device.infer(picture);
		delays.push(performance.now() - dueMs);
		if (source !== "aggregator") alone++;
	};
	for (let due = start; due < start + forMs; due += (-Math.log(1 - random.uniform()) * 1000) / rate) {
		const wait = due - performance.now();
		if (wait > 0) await systemClock.sleep(wait);
		asked.push(one(due));
	}
	await Promise.all(asked);
	return { delays, alone };
}

await Promise.all(devices.map((device) => device.infer(picture)));
// What all use is compiled when it is first used.
await ask(2000);
process.send?.(await ask(1000 * seconds));
