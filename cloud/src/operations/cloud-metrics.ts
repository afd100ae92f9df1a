import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { AggregatorEvent, RoundReport } from "../aggregator/events.js";
import type { BrokerEvent } from "../broker/broker.js";
import type { Log } from "../log/log.js";

/** One metric, for the documentation. */
export interface MetricDescription {
	readonly name: string;
	readonly type: "counter" | "gauge";
	readonly labels: readonly string[];
	readonly help: string;
}

/**
 * What an operator watches, for Prometheus (docs/metrics.md). Labels are streams, directions, outcomes and error codes: never
 * devices, whose number is not bounded, and nothing of data or labels.
 */
export class CloudMetrics {
	readonly #registry = new Registry();
	readonly #descriptions: MetricDescription[] = [];
	/** Totals that events tell since the aggregator started; counters only rise. */
	readonly #told = new Map<string, number>();
	readonly #connections = this.#gauge("psgl_connections", "Open MQTT connections.");
	readonly #refusals = this.#counter(
		"psgl_refusals_total",
		"What broker or aggregator refused, by error code (docs/troubleshooting.md).",
		["by", "code"],
	);
	readonly #devices = this.#gauge("psgl_devices_online", "Devices that take part and are on line.");
	readonly #round = this.#gauge("psgl_round", "Rounds that are finished.");
	readonly #rounds = this.#gauge("psgl_rounds_planned", "Rounds the run is to have.");
	readonly #batches = this.#counter(
		"psgl_batches_total",
		"Training batches since the start, by what became of them: applied, refused, duplicate.",
		["outcome"],
	);
	readonly #samples = this.#counter("psgl_samples_total", "Samples trained on since the start.");
	readonly #bytes = this.#counter("psgl_payload_bytes_total", "Payload bytes from devices (up) and to them (down).", [
		"direction",
	]);
	readonly #duration = this.#gauge("psgl_round_duration_seconds", "Seconds the last round took.");
	readonly #speed = this.#gauge("psgl_batches_per_second", "Batches applied a second in the last round.");
	readonly #loss = this.#gauge("psgl_loss", "Mean training loss of the last round, by stream.", ["stream"]);
	readonly #accuracy = this.#gauge("psgl_validation_accuracy_ratio", "Accuracy on validation data, by stream.", [
		"stream",
	]);
	readonly #balanced = this.#gauge(
		"psgl_validation_balanced_accuracy_ratio",
		"Balanced accuracy on validation data, by stream.",
		["stream"],
	);
	readonly #leftBehind = this.#counter("psgl_left_behind_total", "Times a round went on without a device.");
	readonly #outliers = this.#counter("psgl_outliers_total", "Weights or batches the outlier guard left out.", ["of"]);
	readonly #modelHealth = this.#counter("psgl_model_health_total", "What devices told of models they took, by state.", [
		"state",
	]);

	readonly #rolloutPercentage = this.#gauge(
		"psgl_rollout_percentage",
		"Per cent of the devices that get the candidate of a staged roll-out; 0 without one, or rolled back.",
	);
	readonly #rolloutDevices = this.#gauge(
		"psgl_rollout_devices",
		"Devices of a staged roll-out, by what became of the candidate: offered, trial, confirmed, failed. On NATS each process tells of the whole fleet.",
		["state"],
	);
	readonly #rollbacks = this.#counter("psgl_rollbacks_total", "Roll-outs rolled back, by whom: order, automatic.", [
		"cause",
	]);

	/** @param version of psgl */
	constructor(version: string) {
		this.#gauge("psgl_build_info", "1; the version is a label.", ["version"]).set({ version }, 1);
		collectDefaultMetrics({ register: this.#registry });
	}

	/** Watches a log. */
	log(log: Log): void {
		this.#gauge("psgl_log_entries_kept", "Log entries that are not released yet.", [], () => log.end - log.start);
		this.#gauge("psgl_log_end", "Position the next log entry will have.", [], () => log.end);
	}

	broker(event: BrokerEvent): void {
		if (event.type === "refused") this.#refusals.inc({ by: "broker", code: event.error.code });
		else this.#connections.inc(event.type === "connected" ? 1 : -1);
	}

	aggregator(event: AggregatorEvent): void {
		switch (event.type) {
			case "device":
				this.#devices.set(event.devicesOnline);
				break;
			case "refused":
				this.#refusals.inc({ by: "aggregator", code: event.code });
				break;
			case "round-started":
				this.#rounds.set(event.rounds);
				break;
			case "left-behind":
				this.#leftBehind.inc();
				break;
			case "outlier":
				this.#outliers.inc({ of: event.of });
				break;
			case "model-health":
				this.#modelHealth.inc({ state: event.state });
				break;
			case "rollout": {
				const { phase, percentage, devices, cause } = event;
				this.#rolloutPercentage.set(phase === "rolled-back" ? 0 : percentage);
				for (const [state, count] of Object.entries(devices)) this.#rolloutDevices.set({ state }, count);
				if (phase === "rolled-back" && (cause === "order" || cause === "automatic")) this.#rollbacks.inc({ cause });
				break;
			}
			case "resumed":
				this.#round.set(event.round);
				break;
			case "round":
				this.#finishRound(event);
				break;
		}
	}

	/** Everything in Prometheus' text format. */
	text(): Promise<string> {
		return this.#registry.metrics();
	}

	/** Names, kinds, labels and meanings, for the documentation. */
	describe(): readonly MetricDescription[] {
		return this.#descriptions;
	}

	/** Stops watching the process. */
	close(): void {
		this.#registry.clear();
	}

	#finishRound(report: RoundReport): void {
		const { counts, traffic, losses, validation = {} } = report;
		this.#round.set(report.round);
		this.#duration.set(report.seconds);
		this.#speed.set(report.stepsPerSecond);
		this.#samples.inc(report.samples);
		this.#raise(this.#batches, { outcome: "applied" }, counts.applied);
		this.#raise(this.#batches, { outcome: "refused" }, counts.refused);
		this.#raise(this.#batches, { outcome: "duplicate" }, counts.duplicates);
		this.#raise(this.#bytes, { direction: "up" }, traffic.bytesUp);
		this.#raise(this.#bytes, { direction: "down" }, traffic.bytesDown);
		for (const [stream, loss] of Object.entries(losses)) if (Number.isFinite(loss)) this.#loss.set({ stream }, loss);
		for (const [stream, { accuracy, balancedAccuracy }] of Object.entries(validation)) {
			this.#accuracy.set({ stream }, accuracy);
			this.#balanced.set({ stream }, balancedAccuracy);
		}
	}

	#raise(counter: Counter, labels: Record<string, string>, total: number): void {
		const key = Object.values(labels).join();
		counter.inc(labels, Math.max(0, total - (this.#told.get(key) ?? 0)));
		this.#told.set(key, total);
	}

	/** @param read asked for the value whenever somebody looks */
	#gauge(name: string, help: string, labelNames: readonly string[] = [], read?: () => number): Gauge {
		this.#descriptions.push({ name, type: "gauge", labels: labelNames, help });
		const collect = read && {
			collect(this: Gauge) {
				this.set(read());
			},
		};
		return new Gauge({ name, help, labelNames, registers: [this.#registry], ...collect });
	}

	#counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
		this.#descriptions.push({ name, type: "counter", labels: labelNames, help });
		return new Counter({ name, help, labelNames, registers: [this.#registry] });
	}
}
