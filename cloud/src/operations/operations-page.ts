import type { IncomingMessage, ServerResponse } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { type Clock, ConfigError, systemClock } from "@psgl/sdk";
import type { Artifact } from "@psgl/sdk/artifact";
import { EventBuffer } from "../aggregator/event-buffer.js";
import type { AggregatorEvent } from "../aggregator/events.js";
import { isLoopback } from "../broker/tls.js";
import { cloudLimits as limits } from "../limits.js";
import { CandidateFolder } from "../rollout/candidate-folder.js";
import type { AuditTrail } from "../trail/audit-trail.js";
import { Doorman } from "./access/doorman.js";
import { LogIn } from "./access/log-in.js";
import { Sessions } from "./access/sessions.js";
import { UserFolder } from "./access/user-folder.js";
import type { ApiContext } from "./api/api-context.js";
import { apiPath } from "./api/openapi.js";
import { Router } from "./api/router.js";
import { apiRoutes } from "./api/routes.js";
import { AuditFiles } from "./board/audit-files.js";
import { type ConsoleEvent, changedParts } from "./board/console-event.js";
import { DeviceBoard } from "./board/device-board.js";
import { readModelFacts } from "./board/model-facts.js";
import { RoundFile } from "./board/round-file.js";
import { RunBoard } from "./board/run-board.js";
import type { RunView } from "./board/run-view.js";
import { certifiedName } from "./certified-name.js";
import { LocalCloud, type LocalCloudParts } from "./local-cloud.js";
import { answerMachine, type MachinePathsOptions, sendText } from "./machine-paths.js";
import { OperationsServer, type ServerCertificate } from "./operations-server.js";
import { builtPage, PageFiles } from "./page-files.js";
import type { RunningCloud } from "./running-cloud.js";

export interface OperationsPageOptions {
	/** Default 127.0.0.1. */
	readonly host?: string | undefined;
	/** 0 takes a free one. */
	readonly port: number;
	/** Left out: plain HTTP, and only on loopback. */
	readonly tls?: ServerCertificate | undefined;
	/** Users, rounds, audit and trail lie there. */
	readonly stateFolder: string;
	readonly artifact: Artifact;
	readonly trail: AuditTrail;
	readonly machines: MachinePathsOptions;
	/** Of psgl. */
	readonly version: string;
	readonly clock?: Clock | undefined;
	/** Told what could not be written; the page goes on. */
	readonly onError: (error: unknown) => void;
	/** Folder of the built page. Default: the package's own. */
	readonly pageFolder?: string | undefined;
}

/** The operations page: its files, the HTTP API behind them, and what both show, on one port with log-in. */
export class OperationsPage implements AsyncDisposable {
	readonly #options: OperationsPageOptions;
	readonly #clock: Clock;
	readonly #context: ApiContext;
	readonly #board: RunBoard;
	readonly #devices = new DeviceBoard();
	readonly #rounds: RoundFile;
	readonly #files: PageFiles;
	readonly #events = new EventBuffer<ConsoleEvent>(
		limits.eventBuffer,
		({ type }) => type === "step" || type === "tick",
	);
	readonly #ticking: NodeJS.Timeout;
	#server: OperationsServer | undefined;
	#doorman: Doorman;
	#router: Router;
	#cloud: RunningCloud | undefined;
	#view: RunView;

	private constructor(
		options: OperationsPageOptions,
		parts: Pick<ApiContext, "users" | "model"> & { readonly rounds: RoundFile; readonly files: PageFiles },
	) {
		const { clock = systemClock, stateFolder, trail, version, tls } = options;
		const { users, model } = parts;
		this.#options = options;
		this.#clock = clock;
		this.#board = new RunBoard(model.streams);
		this.#view = this.#board;
		this.#rounds = parts.rounds;
		this.#files = parts.files;
		const sessions = new Sessions(clock);
		this.#context = {
			version,
			stateFolder,
			clock,
			users,
			sessions,
			logIn: new LogIn({ users, sessions, trail, clock }),
			trail,
			model,
			run: () => this.#view,
			audit: new AuditFiles(stateFolder),
			candidates: new CandidateFolder(join(stateFolder, "candidates")),
			onTwin: () => this.#changed("devices"),
			events: this.#events,
			cloud: () => this.#cloud,
		};
		this.#doorman = new Doorman({ users, sessions, secure: tls !== undefined, port: () => this.#server?.port ?? 0 });
		this.#router = new Router([], this.#doorman, options.onError);
		this.#ticking = setInterval(() => this.#events.push({ type: "tick" }), limits.eventTickMs).unref();
	}

	/**
	 * Listens, from before the cloud's log is replayed.
	 * @throws ConfigError `PSGL_PAGE_PLAIN` outside loopback without certificates, `PSGL_PAGE_MISSING`, `PSGL_OUTPUT_UNWRITABLE`;
	 * ConnectionError `PSGL_PORT_IN_USE`, `PSGL_BROKER_LISTEN`; DataError `PSGL_USERS_DAMAGED`.
	 */
	static async start(options: OperationsPageOptions): Promise<OperationsPage> {
		const { host = "127.0.0.1", port, tls, stateFolder, artifact, clock } = options;
		if (tls === undefined && !isLoopback(host)) throw plainPage(host);
		const files = await PageFiles.read(options.pageFolder ?? builtPage);
		const users = await UserFolder.open(stateFolder, clock);
		await users.list();
		const rounds = new RoundFile(join(stateFolder, "rounds.ndjson"));
		const page = new OperationsPage(options, { users, model: await readModelFacts(artifact), rounds, files });
		page.#board.restore(await rounds.read());
		const connections = limits.pageConnections;
		const answer = page.#answer.bind(page);
		page.#server = await OperationsServer.start({ host, port, tls, connections, answer });
		page.#router = new Router(apiRoutes(page.#context, page.#doorman.cookieName), page.#doorman, options.onError);
		return page;
	}

	/** For people, for instance `https://cloud.example:8443`, with a name its certificate is for. */
	get url(): string {
		const { url } = this.#server as OperationsServer;
		const { tls } = this.#options;
		const name = (tls && certifiedName(tls.certificate)) ?? hostname();
		return url.replace(/\/\/(0\.0\.0\.0|\[::\])/, `//${name}`);
	}

	/**
	 * A link by which the first operator sets a password, once, while nobody has one yet.
	 * @returns undefined when somebody has
	 */
	async firstLink(): Promise<{ readonly link: string; readonly expires: string } | undefined> {
		const { users } = this.#context;
		if ((await users.list()).length > 0) return undefined;
		const { token, expires } = await users.invite("operator");
		return { link: welcomeLink(this.url, token), expires };
	}

	/** The cloud of this process works. */
	watch(cloud: LocalCloudParts): void {
		this.#cloud = new LocalCloud(cloud, this.#devices);
		if (cloud.aggregator.settings.rounds === 0) this.#board.serve();
		this.#changed(...changedParts);
	}

	/** Shows a cloud of other processes, as `view` tells of it, and passes orders to it. */
	show(view: RunView & RunningCloud): void {
		this.#cloud = view;
		this.#view = view;
		this.#changed(...changedParts);
	}

	/** Something happened in a cloud of other processes. */
	tell(event: ConsoleEvent): void {
		this.#events.push(event);
	}

	/** Shows what the aggregator tells. */
	aggregator(event: AggregatorEvent): void {
		const run = this.#board;
		const now = this.#clock.now();
		if (event.type === "step") this.#events.push({ type: "step", step: run.step(event) });
		else if (event.type === "round") {
			const round = run.round(event, now);
			this.#rounds.append(round, this.#options.onError);
			this.#events.push({ type: "round", round });
			this.#changed("run", "devices", "storage");
		} else if (event.type === "checkpoint") this.#changed("storage");
		else if (event.type === "rollout") this.#changed("models", "devices");
		else if (run.other(event)) this.#changed("run");
		if (this.#devices.event(event, now)) this.#changed("devices", "run", "models");
	}

	/** Takes up another certificate for connections to come. */
	renewTls(tls: ServerCertificate): void {
		this.#server?.renewTls(tls);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		clearInterval(this.#ticking);
		this.#events.end();
		await this.#server?.close();
		await this.#rounds.close();
	}

	async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const address = `http://psgl${request.url ?? "/"}`;
		if (!URL.canParse(address) || !this.#isOwnHost(request)) {
			sendText(request, response, 421, "text/plain", "This is no name of the operations page\n");
			return;
		}
		const url = new URL(address);
		if (url.pathname.startsWith(`${apiPath}/`)) return this.#router.answer(request, response, url);
		if (url.pathname === "/metrics" && !(await this.#mayReadMetrics(request))) {
			sendText(request, response, 401, "text/plain", "Log in, or use --metrics-port on the machine itself\n");
			return;
		}
		if (await answerMachine(this.#options.machines, request, response)) return;
		if (this.#files.answer(request, response, url.pathname)) return;
		sendText(request, response, 404, "text/plain", "There is no such page\n");
	}

	/** Without TLS nothing but the name tells a page of this machine from one whose name was pointed here (DNS rebinding). */
	#isOwnHost({ headers: { host = "" } }: IncomingMessage): boolean {
		if (this.#options.tls !== undefined) return true;
		return isLoopback(host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1"));
	}

	/** Who is logged in may; a program on this machine as well, unless a proxy passed its request on. */
	async #mayReadMetrics(request: IncomingMessage): Promise<boolean> {
		const { "x-forwarded-for": forwardedFor, forwarded } = request.headers;
		const peer = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
		if (isLoopback(peer) && forwardedFor === undefined && forwarded === undefined) return true;
		return this.#doorman.admit(request, { access: "viewer", method: "GET" }).then(
			() => true,
			() => false,
		);
	}

	#changed(...parts: (typeof changedParts)[number][]): void {
		for (const what of parts) this.#events.push({ type: "changed", what });
	}
}

/** The token stands after the #: browsers send it to nobody. */
export function welcomeLink(url: string, token: string): string {
	return `${url}/#/welcome/${token}`;
}

function plainPage(host: string): ConfigError {
	return new ConfigError("PSGL_PAGE_PLAIN", {
		what: "the operations page is not shown to other machines without TLS",
		got: host,
		expected: "a loopback address, or certificates",
		remedy: "Make certificates with psgl provision init and give --pki, or reach it through an SSH tunnel",
	});
}
