import type { Clock } from "@psgl/sdk";
import { deviceProfiles } from "../scenario/device-profiles.js";
import type { FleetDevice } from "../scenario/expand-fleet.js";

/** What happens to a device's power. */
export interface Powered {
	readonly device: FleetDevice;
	start(): void;
	stop(inOrder: boolean): Promise<void>;
}

export interface LifePlanOptions {
	readonly clock: Clock;
	/** Scenario milliseconds in one real one. */
	readonly compression: number;
	readonly onRestart: () => void;
	readonly onPowerLoss: () => void;
	readonly signal: AbortSignal;
}

const hourMs = 3_600_000;
const weekMs = 168 * hourMs;

/** Milliseconds without power after a loss of it, on average. */
const powerLossMs = 600_000;

type Step = "off" | "restart" | "power-loss";

/** Lives a device's life in compressed time until the signal: first power, restarts, losses of power, times it is switched off. */
export async function livePlan(powered: Powered, options: LifePlanOptions): Promise<void> {
	const { clock, compression, signal, onRestart, onPowerLoss } = options;
	const { group, firstOnMs, random: own } = powered.device;
	const random = own.fork("life");
	const exponential = (mean: number) => -mean * Math.log(1 - random.uniform());
	const wait = (ms: number) => clock.sleep(ms / compression, signal);
	const bootMs = deviceProfiles[group.profile].bootMs;
	try {
		await wait(firstOnMs + bootMs);
		powered.start();
		for (;;) {
			const next: readonly (readonly [Step, number])[] = [
				["off", group.churn === undefined ? Number.POSITIVE_INFINITY : exponential(group.churn.onHours * hourMs)],
				["restart", exponential(weekMs / group.rebootsPerWeek)],
				["power-loss", exponential(weekMs / group.powerLossesPerWeek)],
			];
			const [step, after] = next.reduce((first, other) => (other[1] < first[1] ? other : first));
			// Nothing ever happens to it.
			if (!Number.isFinite(after)) return;
			await wait(after);
			await powered.stop(step !== "power-loss");
			if (step === "restart") onRestart();
			if (step === "power-loss") onPowerLoss();
			const off = step === "off" ? exponential((group.churn?.offHours ?? 0) * hourMs) : 0;
			await wait(bootMs + (step === "power-loss" ? exponential(powerLossMs) : off));
			powered.start();
		}
	} catch (error) {
		if (!signal.aborted) throw error;
	}
}
