import { existsSync } from "node:fs";
import { ConfigError, type PsglError } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { Aggregator } from "../../aggregator/aggregator.js";
import { disclosedArtifact } from "../../aggregator/disclosed-artifact.js";
import type { AggregatorEvent } from "../../aggregator/events.js";
import { artifactDigest } from "../../aggregator/run-identity.js";
import { type Broker, type BrokerEvent, startBroker, type WebSocketOptions } from "../../broker/broker.js";
import { connectExternalBroker, type ExternalBroker } from "../../broker/external-broker.js";
import type { BrokerTls } from "../../broker/tls.js";
import { writeOutput } from "../../files/write-output.js";
import type { FileJournal, Fsync } from "../../log/file-journal.js";
import { createMemoryLog } from "../../log/memory-log.js";
import { openFileJournal } from "../../log/open-file-journal.js";
import type { LogLevel } from "../../operations/log-levels.js";
import { OperationsLog } from "../../operations/operations-log.js";
import { exportTraces } from "../../operations/trace-export.js";
import { RolloutFolder } from "../../rollout/rollout-folder.js";
import { followOrders } from "../../rollout/rollout-orders.js";
import { aborted } from "../../scale/aborted.js";
import type { Ingress } from "../../scale/ingress.js";
import { AuditTrail } from "../../trail/audit-trail.js";
import { RunRecorder } from "../../trail/run-recorder.js";
import { TwinFolder } from "../../twins/twin-folder.js";
import { announceBroker, showBrokerEvent } from "../broker-output.js";
import { followBrokerTls, readBrokerTls } from "../broker-tls.js";
import type { CloudRole } from "../cloud-role.js";
import { defaultThreads } from "../common-options.js";
import { describeDecision } from "../describe-decision.js";
import { interrupted } from "../exit-codes.js";
import { externalBrokerConnection, type externalBrokerOptions } from "../external-broker-options.js";
import { formatBytes, formatSeconds } from "../format.js";
import { openArtifact } from "../open-artifact.js";
import type { OptionValues } from "../options/option.js";
import type { Output } from "../output.js";
import { useRoomyHeap } from "../roomy-heap.js";
import { startOperations } from "../start-operations.js";
import { openStateFolder, type StateFiles } from "../state-files.js";
import { openRunStore, type storeOptions } from "../store-options.js";
import { aggregatorSettings, type trainingOptions } from "../training-options.js";
import { TrainingProgress } from "../training-progress.js";
import type { VerbContext } from "../verb.js";
import { version } from "../version.js";
import { type EndedCloud, runCloudOnStore } from "./run-cloud-on-store.js";

interface CloudValues
	extends OptionValues<typeof trainingOptions>,
		OptionValues<typeof storeOptions>,
		OptionValues<typeof externalBrokerOptions> {
	readonly role: CloudRole;
	readonly artifact: string;
	readonly host: string;
	readonly port?: number | undefined;
	readonly pki?: string | undefined;
	readonly plainOutsideLoopback: boolean;
	readonly webSocketPort?: number | undefined;
	readonly metricsPort?: number | undefined;
	readonly webSocketOrigins?: string | undefined;
	readonly webPort?: number | undefined;
	readonly webHost: string;
	readonly logFile?: string | undefined;
	readonly logLevel: LogLevel;
	readonly otlpEndpoint?: string | undefined;
	readonly rounds: number;
	readonly minDevices: number;
	readonly seed: number;
	readonly threads?: number | undefined;
	readonly state: string;
	readonly resume: boolean;
	readonly fsync: Fsync;
	readonly journalKeep: "checkpoint" | "all";
	readonly exitWhenTrained: boolean;
}

/** Trains, then answers until it is stopped. */
export async function runCloud(options: CloudValues, context: VerbContext): Promise<number> {
	const { exitCode, result } = await runUntilEnded(options, context);
	// After the last that its parts tell of as they end: a collector that takes no traces, devices that leave.
	if (result !== undefined) context.output.result(result);
	return exitCode;
}

async function runUntilEnded(options: CloudValues, { output, signal }: VerbContext): Promise<EndedCloud> {
	useRoomyHeap();
	const artifact = await openArtifact(options.artifact);
	const files = await openStateFolder(options.state);
	requireNewState(files, options);
	await using trail = await AuditTrail.open(options.state);
	const recorder = new RunRecorder(trail);
	trail.append("cloud-started", {
		artifact: artifact.manifest.name,
		version: artifact.manifest.version,
		psgl: version,
	});
	const { host, port, pki, plainOutsideLoopback, logFile, logLevel: level } = options;
	const onError = (error: unknown) => {
		lines?.error(error);
		output.error(error);
	};
	await using lines =
		logFile === undefined
			? undefined
			: OperationsLog.open({ file: logFile, level, onError: (error) => output.error(error) });
	const { otlpEndpoint: endpoint } = options;
	await using _traces = endpoint === undefined ? undefined : await exportTraces({ endpoint, version, onError });
	lines?.info("started", { artifact: artifact.manifest.name, version: artifact.manifest.version, psgl: version });
	const tls = pki === undefined ? undefined : await readBrokerTls(pki);
	await using operations = await startOperations(options, { output, artifact, trail, tls, onError });
	const brokerOptions = {
		host,
		port,
		tls,
		plainOutsideLoopback,
		webSocket: webSocketOptions(options),
		onEvent: (event: BrokerEvent) => {
			recorder.broker(event);
			operations.broker(event);
			lines?.broker(event);
			showBrokerEvent(output, event);
		},
	};
	const followTls = (broker: Pick<Broker, "renewTls">) => {
		const renewTls = async (renewed: BrokerTls) => {
			await broker.renewTls(renewed);
			operations.page?.renewTls(renewed);
		};
		return pki === undefined ? undefined : followBrokerTls(pki, renewTls, output);
	};
	const onEvent = (event: AggregatorEvent) => {
		recorder.aggregator(event);
		operations.aggregator(event);
		lines?.aggregator(event);
	};
	const connection = await externalBrokerConnection(options);
	await using store = await openRunStore(options, artifact, signal);
	if (store !== undefined) {
		const onIngress = ({ broker }: Ingress) => {
			announceBroker(output, broker);
			return followTls(broker);
		};
		const onReady = () => operations.ready();
		return await runCloudOnStore(options, {
			artifact,
			store,
			broker: brokerOptions,
			external: connection && { ...connection, onRefused: refusedBy(connection.url, brokerOptions.onEvent) },
			onIngress,
			onReady,
			page: operations.page,
			onEvent,
			output,
			signal,
		});
	}
	if (options.role !== "all") throw roleNeedsStore(options.role);
	// Requests for decisions change nothing: a device asks again.
	const log = options.rounds === 0 ? createMemoryLog() : await openJournal(files, artifact, options, output);
	await using broker =
		connection === undefined
			? await startBroker({ ...brokerOptions, log })
			: await connectExternalBroker({
					...connection,
					log,
					onRefused: refusedBy(connection.url, brokerOptions.onEvent),
				});
	const own = isOwn(broker) ? broker : undefined;
	const url = own?.url ?? connection?.url;
	using _following = own && followTls(own);
	const checkpointFile = options.rounds === 0 ? undefined : files.checkpoint;
	const twins = await TwinFolder.open(files.twins);
	await using aggregator = await Aggregator.start({
		artifact,
		runtime: nodeRuntime,
		broker,
		settings: aggregatorSettings(options, options.minDevices),
		checkpointFile,
		rollouts: new RolloutFolder(files.rollout),
		twins,
		threads: options.threads ?? defaultThreads(),
		keepLog: options.journalKeep === "all",
		signal,
	});
	operations.watch(broker.log, { aggregator, broker, twins, checkpointFile });
	void follow(aggregator, onEvent);
	if (own === undefined) output.event("external-broker", { url }, `Connected with the broker at ${url}`);
	else announceBroker(output, own, aggregator.round);
	announceSettings(output, aggregator, options);
	using _twins = twins.watch((device) => aggregator.sendDesired(device).catch(onError));
	const { rollout } = aggregator;
	using _orders = rollout && followOrders(files.rollout, rollout, onError);
	const progress = new TrainingProgress(output, { label: artifact.manifest.name });
	for await (const event of aggregator.events()) {
		progress.show(event);
		if (event.type === "end") break;
	}
	const trained = await aggregator.result;
	if (signal.aborted) {
		if (options.rounds > 0) {
			await aggregator.checkpoint(files.checkpoint);
			const { checkpoint: file } = files;
			const line = `Checkpoint after round ${trained.rounds}: ${file}; go on with --resume`;
			output.event("checkpoint", { file, round: trained.rounds }, line);
		}
		return { exitCode: interrupted };
	}
	if (options.rounds > 0)
		await writeOutput(files.model, await disclosedArtifact(trained.artifact, aggregator.devices()));
	const { counts, traffic, seconds, bestRound, reason, rounds } = trained;
	const validation = trained.validation?.fused;
	if (options.rounds > 0) {
		output.print(
			`Trained for ${rounds} rounds (${reason}) in ${formatSeconds(seconds)}; best round ${bestRound}, ${describeDecision(validation)} on validation; lost ${counts.lost}, doubled ${counts.doubled}; up ${formatBytes(traffic.bytesUp)}, down ${formatBytes(traffic.bytesDown)}\nWritten: ${files.model}`,
		);
	}
	if (!options.exitWhenTrained) {
		output.event("serving", { url }, "Answering requests for decisions; Ctrl-C ends it.");
		await aborted(AbortSignal.any([signal, aggregator.broken]));
		aggregator.broken.throwIfAborted();
	}
	const result = { rounds, reason, bestRound, validation, counts, traffic, seconds, artifact: files.model };
	return { exitCode: signal.aborted ? interrupted : 0, result };
}

/** Tells every event until the aggregator closes; when it fails, the run itself says so. */
async function follow(aggregator: Aggregator, onEvent: (event: AggregatorEvent) => void): Promise<void> {
	try {
		for await (const event of aggregator.events()) onEvent(event);
	} catch {}
}

/** A run that was stopped is not overwritten by accident. @throws ConfigError `PSGL_STATE_EXISTS`. */
function requireNewState(files: StateFiles, { resume, rounds, state }: CloudValues): void {
	const there = [files.checkpoint, files.journal].find((file) => existsSync(file));
	if (resume || rounds === 0 || there === undefined) return;
	throw new ConfigError("PSGL_STATE_EXISTS", {
		what: `the state folder ${state} holds another run`,
		got: there,
		remedy: "Go on with it by --resume, choose another folder with --state, or remove the file",
	});
}

async function openJournal(
	files: StateFiles,
	artifact: Artifact,
	{ fsync }: CloudValues,
	output: Output,
): Promise<FileJournal> {
	const journal = await openFileJournal({ folder: files.journal, run: await artifactDigest(artifact), fsync });
	const { torn } = journal;
	if (torn !== undefined) {
		const line = `${torn.file}: ${torn.bytes} bytes at its end were being written when the machine stopped, and are cut off`;
		output.event("journal-torn", { ...torn }, line);
	}
	return journal;
}

function announceSettings(output: Output, aggregator: Aggregator, { rounds, minDevices }: CloudValues): void {
	if (rounds > 0)
		output.event("settings", { ...aggregator.settings }, `${rounds} rounds, from ${minDevices} devices on`);
}

function isOwn(broker: Broker | ExternalBroker): broker is Broker {
	return "renewTls" in broker;
}

/** What an external broker's client refuses, told as psgl's own broker tells it. */
function refusedBy(peer: string, onEvent: (event: BrokerEvent) => void) {
	return (error: PsglError, client?: string) => onEvent({ type: "refused", client, peer, error });
}

function roleNeedsStore(role: string): ConfigError {
	return new ConfigError("PSGL_ROLE_NEEDS_STORE", {
		what: "one role of several needs a store that the others share",
		got: `--role ${role} without --store`,
		remedy: "Name the NATS servers with --store, or leave --role out: then this process does everything, with files",
	});
}

function webSocketOptions({ webSocketPort, webSocketOrigins }: CloudValues): WebSocketOptions | undefined {
	if (webSocketPort === undefined && webSocketOrigins === undefined) return undefined;
	return { port: webSocketPort, origins: webSocketOrigins?.split(",").map((origin) => origin.trim()) ?? [] };
}
