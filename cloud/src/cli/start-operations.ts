import { ConfigError } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { BrokerTls } from "../broker/tls.js";
import { Operations } from "../operations/operations.js";
import type { AuditTrail } from "../trail/audit-trail.js";
import type { Output } from "./output.js";
import { version } from "./version.js";

export interface OperationsValues {
	readonly metricsPort?: number | undefined;
	readonly webPort?: number | undefined;
	readonly webHost: string;
	readonly state: string;
	readonly store?: string | undefined;
}

export interface OperationsParts {
	readonly output: Output;
	readonly artifact: Artifact;
	readonly trail: AuditTrail;
	readonly tls: BrokerTls | undefined;
	readonly onError: (error: unknown) => void;
}

/** Opens the ports for people and machines who watch, and says where they are. @throws ConfigError `PSGL_OPTION_CONFLICT`; as `Operations.start`. */
export async function startOperations(
	{ metricsPort, webPort, webHost, state, store }: OperationsValues,
	{ output, artifact, trail, tls, onError }: OperationsParts,
): Promise<Operations> {
	if (webPort !== undefined && store !== undefined) {
		throw new ConfigError("PSGL_OPTION_CONFLICT", {
			what: "the operations page shows a cloud that is one process",
			got: "--web-port with --store",
			remedy: "Leave --web-port away; --metrics-port tells of each process",
		});
	}
	const page =
		webPort === undefined
			? undefined
			: { host: webHost, port: webPort, tls, stateFolder: state, artifact, trail, onError };
	const operations = await Operations.start({ port: metricsPort, version, page });
	const { url } = operations;
	if (url !== undefined) output.event("operations", { url }, `Metrics and health: ${url}`);
	if (operations.page === undefined) return operations;
	const { url: address } = operations.page;
	output.event("page", { url: address }, `Operations page: ${address}`);
	const first = await operations.page.firstLink();
	if (first === undefined) return operations;
	const { link, expires } = first;
	output.event(
		"first-log-in",
		{ link, expires },
		`Nobody has a password yet. Set the first operator's, once, at\n  ${link}`,
	);
	return operations;
}
