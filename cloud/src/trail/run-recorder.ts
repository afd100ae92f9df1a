import { type Clock, PsglError, systemClock } from "@psgl/sdk";
import type { AggregatorEvent } from "../aggregator/events.js";
import type { BrokerEvent } from "../broker/broker.js";
import { cloudLimits as limits } from "../limits.js";
import type { AuditTrail } from "./audit-trail.js";

const minuteMs = 60_000;

/** Writes what matters of a run into its trail. Steps are not: a round tells how many there were. */
export class RunRecorder {
	readonly #trail: AuditTrail;
	readonly #clock: Clock;
	#minute = 0;
	#refusals = 0;

	constructor(trail: AuditTrail, clock: Clock = systemClock) {
		this.#trail = trail;
		this.#clock = clock;
	}

	broker(event: BrokerEvent): void {
		if (event.type !== "refused") this.#trail.append(event.type, { device: event.client });
		else this.#refused({ device: event.client, peer: event.peer, ...reasonOf(event.error) });
	}

	aggregator(event: AggregatorEvent): void {
		switch (event.type) {
			case "device":
				if (event.state === "joined" || event.state === "left") {
					this.#trail.append(`device-${event.state}`, { device: event.device });
				}
				break;
			case "artifact-sent":
				this.#trail.append(event.type, { device: event.device, version: event.version, digest: event.digest });
				break;
			case "refused":
				this.#refused({ device: event.device, code: event.code, reason: event.reason });
				break;
			case "round":
				this.#trail.append(event.type, {
					round: event.round,
					model: event.model,
					steps: event.steps,
					samples: event.samples,
					devices: event.devicesTrained,
					applied: event.counts.applied,
					refused: event.counts.refused,
				});
				break;
			case "rollout": {
				// What devices told is there as their models' health.
				const { type, cause, phase, candidate, percentage, reason } = event;
				if (cause !== "device") this.#trail.append(type, { cause, phase, candidate, percentage, reason });
				break;
			}
			case "model-health":
			case "resumed":
			case "outlier":
			case "left-behind":
			case "taken-back":
			case "end": {
				const { type, ...details } = event;
				this.#trail.append(type, details);
				break;
			}
		}
	}

	/** Who is not let in can try without end: no more than so many a minute are told one by one. */
	#refused(details: Readonly<Record<string, string | undefined>>): void {
		const minute = Math.floor(this.#clock.now() / minuteMs);
		if (minute !== this.#minute) {
			const untold = this.#refusals - limits.trailRefusalsPerMinute;
			if (untold > 0) this.#trail.append("refusals-untold", { count: untold });
			this.#minute = minute;
			this.#refusals = 0;
		}
		this.#refusals += 1;
		if (this.#refusals <= limits.trailRefusalsPerMinute) this.#trail.append("refused", details);
	}
}

function reasonOf(error: Error): { readonly code: string | undefined; readonly reason: string } {
	return { code: error instanceof PsglError ? error.code : undefined, reason: error.message };
}
