import { ConfigError } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import type { BrokerTls } from "../broker/tls.js";
import { Operations } from "../operations/operations.js";
import type { AuditTrail } from "../trail/audit-trail.js";
import type { CloudRole } from "./cloud-role.js";
import type { Output } from "./output.js";
import { version } from "./version.js";

export interface OperationsValues {
	readonly metricsPort?: number | undefined;
	readonly webPort?: number | undefined;
	readonly webHost: string;
	readonly state: string;
	readonly role: CloudRole;
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
	{ metricsPort, webPort: chosenPort, webHost, state, role }: OperationsValues,
	{ output, artifact, trail, tls, onError }: OperationsParts,
): Promise<Operations> {
	if (chosenPort !== undefined && role !== "all" && role !== "web") {
		throw new ConfigError("PSGL_OPTION_CONFLICT", {
			what: "the operations page is another process's",
			got: `--web-port with --role ${role}`,
			remedy: "Start one process with --role web; --metrics-port tells of each process",
		});
	}
	const webPort = chosenPort ?? (role === "web" ? (tls === undefined ? 8080 : 8443) : undefined);
	const page =
		webPort === undefined
			? undefined
			: {
					host: webHost,
					port: webPort,
					tls,
					stateFolder: state,
					artifact,
					trail,
					onError,
				};
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
