import { once } from "node:events";
import { openSync } from "node:fs";
import { ConfigError, PsglError } from "@psgl/sdk";
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from "pino";
import type { AggregatorEvent } from "../aggregator/events.js";
import type { BrokerEvent } from "../broker/broker.js";
import type { LogLevel } from "./log-levels.js";

type File = ReturnType<typeof destination>;

/** Events that are not worth `info`: too many of them, or trouble. */
const levels: Readonly<Partial<Record<AggregatorEvent["type"], LogLevel>>> = {
	step: "debug",
	waiting: "debug",
	"artifact-sent": "debug",
	refused: "warn",
	"checkpoint-failed": "error",
	outlier: "warn",
	"left-behind": "warn",
};

export interface OperationsLogOptions {
	/** Lines are added to its end. */
	readonly file: string;
	readonly level: LogLevel;
	/** Told when the disk does not take a line; the cloud goes on. */
	readonly onError: (error: unknown) => void;
}

/**
 * What the cloud does as lines of JSON (pino), for whoever collects logs: `level`, `time` (ISO 8601), `pid`, `hostname`, `by`, the event's
 * fields, and `msg`, its type. No data, no labels.
 */
export class OperationsLog implements AsyncDisposable {
	readonly #file: File;
	readonly #broker: Logger;
	readonly #aggregator: Logger;
	readonly #cloud: Logger;

	private constructor(file: File, level: LogLevel) {
		const logger = pino(
			{ level, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
			file as DestinationStream,
		);
		this.#file = file;
		this.#broker = logger.child({ by: "broker" });
		this.#aggregator = logger.child({ by: "aggregator" });
		this.#cloud = logger.child({ by: "cloud" });
	}

	/** @throws ConfigError `PSGL_OUTPUT_UNWRITABLE`. */
	static open({ file, level, onError }: OperationsLogOptions): OperationsLog {
		let fd: number;
		try {
			fd = openSync(file, "a", 0o640);
		} catch (cause) {
			throw new ConfigError("PSGL_OUTPUT_UNWRITABLE", {
				what: `the log ${file} cannot be written`,
				got: (cause as Error).message,
				remedy: "Choose a file in a folder that exists and may be written to",
				cause,
			});
		}
		const opened = destination({ dest: fd, sync: false });
		opened.on("error", onError);
		return new OperationsLog(opened, level);
	}

	broker(event: BrokerEvent): void {
		if (event.type !== "refused") this.#broker.debug({ device: event.client }, event.type);
		else {
			const { client, peer, error } = event;
			this.#broker.warn({ device: client, peer, code: error.code, reason: error.what }, event.type);
		}
	}

	aggregator({ type, ...fields }: AggregatorEvent): void {
		this.#aggregator[levels[type] ?? "info"](fields, type);
	}

	/** The cloud started, or ends. */
	info(what: string, fields: Readonly<Record<string, unknown>> = {}): void {
		this.#cloud.info(fields, what);
	}

	/** Something went wrong that the cloud survives, or ends by. */
	error(error: unknown): void {
		const code = error instanceof PsglError ? error.code : "PSGL_INTERNAL";
		this.#cloud.error({ code, err: error }, error instanceof Error ? error.message : String(error));
	}

	/** Writes what waits. */
	async [Symbol.asyncDispose](): Promise<void> {
		const closed = once(this.#file, "close");
		this.#file.end();
		await closed;
	}
}
