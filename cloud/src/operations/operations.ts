import type { Log } from "../log/log.js";
import { CloudMetrics } from "./cloud-metrics.js";
import { OperationsServer, type Readiness } from "./operations-server.js";

export interface OperationsOptions {
	/** Port on loopback; undefined: nobody asks, nothing listens. */
	readonly port: number | undefined;
	/** Of psgl. */
	readonly version: string;
}

/** What an operator's machines can ask while the cloud works, from before it replays its log until it ends. */
export class Operations implements AsyncDisposable {
	readonly metrics: CloudMetrics;
	readonly #server: OperationsServer | undefined;
	readonly #state: { readiness: Readiness };

	private constructor(metrics: CloudMetrics, server: OperationsServer | undefined, state: { readiness: Readiness }) {
		this.metrics = metrics;
		this.#server = server;
		this.#state = state;
	}

	/** @throws ConnectionError `PSGL_PORT_IN_USE`, `PSGL_BROKER_LISTEN`. */
	static async start({ port, version }: OperationsOptions): Promise<Operations> {
		const metrics = new CloudMetrics(version);
		const state: { readiness: Readiness } = { readiness: { ready: false, reason: "starting" } };
		const answers = { metrics: () => metrics.text(), readiness: () => state.readiness };
		const server = port === undefined ? undefined : await OperationsServer.start({ port, ...answers });
		return new Operations(metrics, server, state);
	}

	/** For instance `http://127.0.0.1:9464`; undefined where nothing listens. */
	get url(): string | undefined {
		return this.#server?.url;
	}

	/** The cloud works, on this log: it is ready. */
	watch(log: Log): void {
		this.metrics.log(log);
		this.#state.readiness = { ready: true };
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#state.readiness = { ready: false, reason: "ending" };
		await this.#server?.close();
		this.metrics.close();
	}
}
