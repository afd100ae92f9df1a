import { X509Certificate } from "node:crypto";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { availableParallelism, freemem, totalmem } from "node:os";
import { dirname, resolve } from "node:path";
import { PsglError, type StartUpKit, seededRandom, systemClock, type Tensor, tensorBytes } from "@psgl/sdk";
import { mqttTransport } from "@psgl/sdk/transport/mqtt";
import { dayMs } from "../../provision/day.js";
import type { Check } from "../doctor/check.js";
import {
	checkClock,
	checkDiskSync,
	checkGlibc,
	checkPrivacy,
	checkProviders,
	checkStep,
	isClockKept,
} from "../doctor/device-checks.js";
import { probeGraph } from "../doctor/probe-graph.js";
import { formatBytes } from "../format.js";
import { readKit } from "../kit-options.js";
import type { VerbContext } from "../verb.js";

interface DoctorValues {
	readonly broker?: string | undefined;
	readonly kit?: string | undefined;
	readonly key?: string | undefined;
	readonly host: string;
	readonly port: number;
	readonly state: string;
	readonly artifact?: string | undefined;
}

/** Least memory free for `psgl demo`, which takes up to 1 GiB. */
const wantedMemoryBytes = 1024 ** 3;
const brokerDeadlineMs = 5000;
const repeats = 3;

/** Runs all checks and prints them. */
export async function runDoctor(options: DoctorValues, { output, signal }: VerbContext): Promise<number> {
	const checks: Check[] = [];
	const kit = await readKit(options);
	const url = options.broker ?? kit?.url;
	const { artifact } = options;
	const tests = [
		checkNode,
		checkGlibc,
		async () => checkClock(systemClock.now(), { madeAt: kit && certifiedSince(kit), kept: await isClockKept() }),
		checkOnnxRuntime,
		checkProviders,
		checkTelemetry,
		checkSharp,
		checkMemory,
		checkCores,
		() => checkState(options.state),
		() => checkDiskSync(() => nearestExisting(resolve(options.state)), systemClock),
		...(artifact === undefined ? [] : [() => checkPrivacy(artifact), () => checkStep(artifact, systemClock)]),
		...(kit === undefined ? [] : [() => checkCertificate(kit)]),
		() => (url === undefined ? checkPort(options.host, options.port) : checkBroker(url, kit, signal)),
	];
	for (const test of tests) {
		const check = await test();
		checks.push(check);
		output.event("check", { ...check });
		signal.throwIfAborted();
	}
	output.table(
		[{ title: "" }, { title: "check" }, { title: "found" }],
		checks.map(({ name, status, found }) => [status, name, found]),
	);
	for (const { name, remedy } of checks) if (remedy !== undefined) output.print(`${name}: ${remedy}`);
	const ok = checks.every(({ status }) => status !== "fail");
	output.result({ ok, checks });
	return ok ? 0 : 1;
}

function checkNode(): Check {
	const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
	const found = `${process.version} ${process.platform}/${process.arch}`;
	if (major > 20 || (major === 20 && minor >= 19)) return { name: "Node.js", status: "ok", found };
	return { name: "Node.js", status: "fail", found, remedy: "Install Node.js 20.19 or later" };
}

/** Loads the engine and runs a small graph several times: results have to be the same bits. */
async function checkOnnxRuntime(): Promise<Check> {
	const name = "ONNX Runtime";
	try {
		const { nodeRuntime } = await import("@psgl/sdk/runtime/node");
		await using session = await nodeRuntime.load(probeGraph);
		const feed: Tensor = {
			dtype: "float32",
			dims: [8, 64],
			data: Float32Array.from({ length: 512 }, (_, i) => Math.sin(i)),
		};
		const results = new Set<string>();
		for (let i = 0; i < repeats; i++) {
			const { y } = await session.run({ x: feed });
			results.add(Buffer.from(tensorBytes(y as Tensor)).toString("hex"));
		}
		const repeatable = results.size === 1;
		return {
			name,
			status: repeatable ? "ok" : "warn",
			found: `${nodeRuntime.version}, ${repeats} runs ${repeatable ? "bit for bit the same" : "differ"}`,
			...(repeatable ? {} : { remedy: "A seed will not give the same weights twice on this machine" }),
		};
	} catch (error) {
		return {
			name,
			status: "fail",
			found: (error as Error).message,
			remedy: "Use a 64-bit x86 or ARM machine and run npm ci again; see docs/troubleshooting.md",
		};
	}
}

function checkTelemetry(): Check {
	const off = process.env.ORT_DISABLE_TELEMETRY === "1";
	if (off) return { name: "telemetry", status: "ok", found: "off" };
	return { name: "telemetry", status: "fail", found: "on", remedy: "Set ORT_DISABLE_TELEMETRY=1 before psgl starts" };
}

function checkSharp(): Check {
	try {
		const sharp = createRequire(sharpFrom())("sharp") as { versions: { vips?: string } };
		return { name: "sharp", status: "ok", found: `libvips ${sharp.versions.vips}` };
	} catch (error) {
		return {
			name: "sharp",
			status: "warn",
			found: (error as Error).message.split("\n")[0] as string,
			remedy: "Image folders cannot be read without it; npz and idx files can",
		};
	}
}

/** The SDK, whose dependency it is; a bundle has no such package, and has sharp beside its own program. */
function sharpFrom(): string {
	try {
		return import.meta.resolve("@psgl/sdk");
	} catch {
		return import.meta.url;
	}
}

function checkMemory(): Check {
	const found = `${formatBytes(freemem())} free of ${formatBytes(totalmem())}`;
	if (freemem() >= wantedMemoryBytes) return { name: "memory", status: "ok", found };
	return { name: "memory", status: "warn", found, remedy: "psgl demo may take up to 1 GiB; end other programs" };
}

function checkCores(): Check {
	return { name: "cores", status: "ok", found: String(availableParallelism()) };
}

async function checkState(path: string): Promise<Check> {
	const folder = resolve(path);
	try {
		const existing = await nearestExisting(folder);
		if (!(await stat(existing)).isDirectory()) throw new Error(`${existing} is no folder`);
		await access(existing, constants.W_OK);
		return { name: "state folder", status: "ok", found: `${folder} can be written` };
	} catch (error) {
		return {
			name: "state folder",
			status: "fail",
			found: (error as Error).message,
			remedy: "Choose another folder with --state",
		};
	}
}

/** The path itself, or the first above it that exists: there psgl cloud would make the folder. */
async function nearestExisting(path: string): Promise<string> {
	for (let at = path; at !== dirname(at); at = dirname(at)) {
		const found = await stat(at).catch((error: NodeJS.ErrnoException) => error);
		if (!(found instanceof Error)) return at;
		if (found.code !== "ENOENT") throw found;
	}
	return path;
}

async function checkPort(host: string, port: number): Promise<Check> {
	const name = "broker port";
	const server = createServer();
	try {
		await new Promise<void>((done, failed) => {
			server.once("error", failed);
			server.listen(port, host, done);
		});
		return { name, status: "ok", found: `${host}:${port} is free` };
	} catch (error) {
		return { name, status: "fail", found: (error as Error).message, remedy: "Choose another port with --port" };
	} finally {
		server.close();
	}
}

/** When the kit's certificate begins to be good, milliseconds since the Unix epoch. */
const certifiedSince = ({ certificate }: StartUpKit) => Date.parse(new X509Certificate(certificate).validFrom);

/** How long the kit's certificate is good for. A month is time enough to bring a new one. */
function checkCertificate(kit: StartUpKit): Check {
	const { certificate, id } = kit;
	const name = "certificate";
	const { validFrom, validTo } = new X509Certificate(certificate);
	const days = Math.floor((Date.parse(validTo) - Date.now()) / dayMs);
	const remedy = `Renew it: psgl provision device --id ${id} --renew`;
	if (certifiedSince(kit) > Date.now()) {
		return { name, status: "fail", found: `not valid before ${validFrom}`, remedy: "Set this machine's clock" };
	}
	if (days < 0) return { name, status: "fail", found: `expired on ${validTo}`, remedy };
	const found = `valid for ${days} more days`;
	return days < 30 ? { name, status: "warn", found, remedy } : { name, status: "ok", found };
}

async function checkBroker(url: string, kit: StartUpKit | undefined, signal: AbortSignal): Promise<Check> {
	const name = "broker";
	try {
		await using transport = mqttTransport({
			url,
			clientId: kit?.id ?? `psgl-doctor-${process.pid}`,
			tls: kit && { ca: kit.authority, cert: kit.certificate, key: kit.key },
			clock: systemClock,
			random: seededRandom(process.pid),
			connectDeadlineMs: brokerDeadlineMs,
		});
		await transport.connect({ signal });
		return { name, status: "ok", found: `${url} answers` };
	} catch (error) {
		signal.throwIfAborted();
		if (!(error instanceof PsglError)) return { name, status: "fail", found: (error as Error).message };
		const { what, got, remedy } = error;
		const found = got === undefined ? what : `${what}; got ${got}`;
		return { name, status: "fail", found, ...(remedy === undefined ? {} : { remedy }) };
	}
}
