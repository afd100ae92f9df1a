import type { AggregatorEvent } from "../aggregator/events.js";
import type { BrokerEvent } from "../broker/broker.js";
import { cloudLimits as limits } from "../limits.js";
import type { Log } from "../log/log.js";
import { CloudMetrics } from "./cloud-metrics.js";
import type { LocalCloudParts } from "./local-cloud.js";
import { answerMachine, type MachinePathsOptions, type Readiness, sendText } from "./machine-paths.js";
import { OperationsPage, type OperationsPageOptions } from "./operations-page.js";
import { OperationsServer } from "./operations-server.js";

export interface OperationsOptions {
	/** Port on loopback for machines alone; undefined: nobody asks, nothing listens. */
	readonly port: number | undefined;
	/** Of psgl. */
	readonly version: string;
	/** The page and its API; undefined: there is none. */
	readonly page?: Omit<OperationsPageOptions, "machines" | "version"> | undefined;
}

/** What an operator, and an operator's machines, can ask while the cloud works, from before it replays its log until it ends. */
export class Operations implements AsyncDisposable {
	readonly metrics: CloudMetrics;
	/** Undefined where there is none. */
	readonly page: OperationsPage | undefined;
	readonly #server: OperationsServer | undefined;
	readonly #state: { readiness: Readiness };

	private constructor(
		metrics: CloudMetrics,
		parts: { readonly server: OperationsServer | undefined; readonly page: OperationsPage | undefined },
		state: { readiness: Readiness },
	) {
		this.metrics = metrics;
		this.page = parts.page;
		this.#server = parts.server;
		this.#state = state;
	}

	/** @throws ConnectionError `PSGL_PORT_IN_USE`, `PSGL_BROKER_LISTEN`; as `OperationsPage.start`. */
	static async start({ port, version, page }: OperationsOptions): Promise<Operations> {
		const metrics = new CloudMetrics(version);
		const state: { readiness: Readiness } = { readiness: { ready: false, reason: "starting" } };
		const machines = { metrics: () => metrics.text(), readiness: () => state.readiness };
		const server = port === undefined ? undefined : await machineServer(port, machines);
		try {
			const shown = page === undefined ? undefined : await OperationsPage.start({ ...page, machines, version });
			return new Operations(metrics, { server, page: shown }, state);
		} catch (error) {
			await server?.close();
			metrics.close();
			throw error;
		}
	}

	/** Of the port for machines, for instance `http://127.0.0.1:9464`; undefined where nothing listens. */
	get url(): string | undefined {
		return this.#server?.url;
	}

	/** The cloud works, on this log: it is ready. */
	watch(log: Log, cloud?: LocalCloudParts): void {
		this.metrics.log(log);
		this.ready();
		if (cloud !== undefined) this.page?.watch(cloud);
	}

	/** The cloud works. */
	ready(): void {
		this.#state.readiness = { ready: true };
	}

	broker(event: BrokerEvent): void {
		this.metrics.broker(event);
	}

	aggregator(event: AggregatorEvent): void {
		this.metrics.aggregator(event);
		this.page?.aggregator(event);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#state.readiness = { ready: false, reason: "ending" };
		await this.page?.[Symbol.asyncDispose]();
		await this.#server?.close();
		this.metrics.close();
	}
}

/** Knows no users and no TLS; a proxy that does stands in front of it where others than this machine are to read. */
function machineServer(port: number, machines: MachinePathsOptions): Promise<OperationsServer> {
	return OperationsServer.start({
		host: "127.0.0.1",
		port,
		connections: limits.operationsConnections,
		async answer(request, response) {
			if (await answerMachine(machines, request, response)) return;
			sendText(request, response, 404, "text/plain", "Try /metrics, /healthz or /readyz\n");
		},
	});
}
