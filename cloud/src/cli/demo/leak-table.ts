import { formatCount } from "../format.js";
import type { Output } from "../output.js";
import type { LeakMeasurement } from "./measure-leak.js";

/** Prints what the quick audit found, and how little that proves. */
export function printLeak(
	output: Output,
	{ modes, victims, attackerSamples, trainSamples, steps }: LeakMeasurement,
): void {
	const right = (title: string) => ({ title, align: "right" as const });
	const share = (value: number) => (Number.isNaN(value) ? "-" : value.toFixed(2));
	output.print("");
	output.table(
		[
			{ title: "what leaks of a sample" },
			right("leak"),
			right("beyond the label"),
			right("bits of a record"),
			{ title: "" },
		],
		Object.entries(modes).map(([mode, { leak, leakBeyondLabel, bitsPerRecord, trainedHere }]) => [
			mode,
			share(leak),
			share(leakBeyondLabel),
			formatCount(Math.round(bitsPerRecord)),
			trainedHere ? `trained here, ${trainSamples} samples, ${steps} steps` : "the system above",
		]),
	);
	output.print("");
	output.print(
		`Rebuilt by one attack, a closed-form decoder with ${attackerSamples} samples of its own, on ${victims} victims: 0 is no more than the mean sample, or the label, tells; 1 as much as\n  without a defence. Other attacks find more: psgl audit.`,
	);
}
