import type { DeviceProfile } from "../scenario/device-profiles.js";

/** What a device draws, and what is left in its battery. An estimate: the profile's powers times the times of the simulation. */
export class EnergyMeter {
	readonly #profile: DeviceProfile;
	readonly #capacityJoules: number | undefined;
	#joules = 0;
	#sinceCharge = 0;
	#poweredAt: number | undefined;

	/** @param wattHours of the battery; undefined on mains */
	constructor(profile: DeviceProfile, wattHours: number | undefined) {
		this.#profile = profile;
		this.#capacityJoules = wattHours === undefined ? undefined : 3600 * wattHours;
	}

	switchOn(now: number): void {
		this.#poweredAt ??= now;
	}

	switchOff(now: number): void {
		this.#settle(now);
		this.#poweredAt = undefined;
	}

	/** One core computes for `ms`. */
	compute(ms: number): void {
		this.#add((this.#profile.busyWatts - this.#profile.idleWatts) * ms);
	}

	/** The radio works for `ms`. */
	transmit(ms: number, radioWatts: number): void {
		this.#add(radioWatts * ms);
	}

	/** Joules drawn until now. */
	joules(now: number): number {
		this.#settle(now);
		return this.#joules;
	}

	/** Milliseconds a waiting device goes on until its battery is empty; infinite on mains. */
	restMs(now: number): number {
		this.#settle(now);
		if (this.#capacityJoules === undefined) return Number.POSITIVE_INFINITY;
		return Math.max(0, (1000 * (this.#capacityJoules - this.#sinceCharge)) / this.#profile.idleWatts);
	}

	charged(): void {
		this.#sinceCharge = 0;
	}

	#settle(now: number): void {
		if (this.#poweredAt === undefined) return;
		this.#add(this.#profile.idleWatts * (now - this.#poweredAt));
		this.#poweredAt = now;
	}

	#add(milliJoules: number): void {
		this.#joules += milliJoules / 1000;
		this.#sinceCharge += milliJoules / 1000;
	}
}
