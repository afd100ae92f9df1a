import { execFile } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ClientSegment, type Clock, dropoutSeed, labelTensor, scalar, seededRandom, zeros } from "@psgl/sdk";
import { artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import { availableProviders, nodeRuntime } from "@psgl/sdk/runtime/node";
import { describePrivacy } from "../describe-privacy.js";
import { openArtifact } from "../open-artifact.js";
import type { Check } from "./check.js";

/** The oldest glibc that the native packages' builds for Node.js ask for. */
const oldestGlibc = 2.28;
const syncs = 20;
/** Two synced writes a training step: a memory card slower than this shows in its speed. */
const slowSyncMs = 50;
const steps = 3;
const batchSize = 16;
/** Milliseconds the system may take to tell of its clock. */
const timeServiceMs = 2000;
/** Before this program was written. */
const earliest = Date.UTC(2025, 0, 1);

/** Prebuilt native packages need glibc; musl (Alpine) has none of them. */
export function checkGlibc(): Check {
	const name = "glibc";
	const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
	const version = header.glibcVersionRuntime;
	if (process.platform !== "linux") return { name, status: "ok", found: `not needed on ${process.platform}` };
	if (version === undefined) {
		const remedy = "Use a system with glibc: Raspberry Pi OS (64 bit), Debian, Ubuntu";
		return { name, status: "fail", found: "none", remedy };
	}
	const [major = 0, minor = 0] = version.split(".").map(Number);
	if (major + minor / 100 >= oldestGlibc) return { name, status: "ok", found: version };
	return { name, status: "fail", found: version, remedy: `Update the system: glibc ${oldestGlibc} or later is needed` };
}

/** What ONNX Runtime was built with. */
export function checkProviders(): Check {
	return { name: "execution providers", status: "ok", found: availableProviders().join(", ") };
}

/** What a clock's time is judged by. */
export interface ClockEvidence {
	/** When the device's certificate was made, where it has one; milliseconds since the Unix epoch. */
	readonly madeAt?: number | undefined;
	/** Whether a time service keeps it right; undefined where nobody says. */
	readonly kept: boolean | undefined;
}

/** A clock that was never set refuses certificates and signed models; one that nobody keeps right drifts by seconds a day. */
export function checkClock(now: number, { madeAt = 0, kept }: ClockEvidence): Check {
	const name = "clock";
	const found = new Date(now).toISOString();
	if (now < Math.max(earliest, madeAt)) {
		const remedy = "Set the clock: timedatectl set-ntp true, or by hand";
		return {
			name,
			status: "fail",
			found: `${found}, before ${madeAt > earliest ? "the certificate" : "psgl"} was made`,
			remedy,
		};
	}
	if (kept === true) return { name, status: "ok", found: `${found}, kept right by a time service` };
	if (kept === undefined)
		return { name, status: "ok", found: `${found}; whether a time service keeps it is not known` };
	const remedy = "Turn one on (timedatectl set-ntp true): certificates, signed models and --hours go by the clock";
	return { name, status: "warn", found: `${found}, not kept right by a time service`, remedy };
}

/** What systemd knows of time services, its own or another: the kernel tells it. */
export async function isClockKept(): Promise<boolean | undefined> {
	try {
		const asked = ["show", "--property=NTPSynchronized", "--value"];
		const { stdout } = await promisify(execFile)("timedatectl", asked, { timeout: timeServiceMs });
		return stdout.trim() === "yes";
	} catch {
		return undefined;
	}
}

/** Median time of a synced write in a folder. */
export async function checkDiskSync(folder: () => Promise<string>, clock: Clock): Promise<Check> {
	const name = "disk sync";
	let own: string | undefined;
	try {
		own = await mkdtemp(join(await folder(), ".psgl-doctor-"));
		const file = await open(join(own, "sync"), "w");
		const times: number[] = [];
		try {
			for (let i = 0; i < syncs; i++) {
				const started = clock.now();
				await file.write(new Uint8Array(4096));
				await file.datasync();
				times.push(clock.now() - started);
			}
		} finally {
			await file.close();
		}
		const median = times.sort((a, b) => a - b)[syncs >> 1] as number;
		const found = `${median} ms for 4 KiB (median of ${syncs})`;
		if (median <= slowSyncMs) return { name, status: "ok", found };
		return { name, status: "warn", found, remedy: "A training step waits for two: put --state on a faster disk" };
	} catch (error) {
		return { name, status: "fail", found: (error as Error).message, remedy: "Choose another folder with --state" };
	} finally {
		if (own !== undefined) await rm(own, { recursive: true, force: true });
	}
}

/** What a model would have leave this device, as its artifact says. */
export async function checkPrivacy(path: string): Promise<Check> {
	const name = "privacy";
	try {
		return { name, status: "ok", found: describePrivacy((await openArtifact(path)).manifest) };
	} catch (error) {
		return { name, status: "fail", found: (error as Error).message, remedy: "Give an artifact with --artifact" };
	}
}

/** How long a training step of an artifact takes on this machine, the way to the aggregator left out. */
export async function checkStep(path: string, clock: Clock): Promise<Check> {
	const name = "training step";
	try {
		const artifact = await openArtifact(path);
		const { manifest } = artifact;
		if (manifest.code !== null || manifest.tail !== null) {
			return { name, status: "ok", found: `not measured for ${manifest.name}: its steps are of another kind` };
		}
		await using segment = new ClientSegment(nodeRuntime, artifact, "doctor");
		const parts = ["params", "stats", "head"] as const;
		const x = zeros("float32", [batchSize, ...manifest.inputShape]);
		const inputs = {
			...Object.fromEntries(parts.map((part) => [part, artifactTensor(artifact, `client/${part}`)])),
			slots: zeros("float32", [optimiserStateLength(manifest, "client")]),
			headSlots: zeros("float32", [optimiserStateLength(manifest, "head")]),
			x,
			delta: x,
			step: scalar(1),
			budget: scalar(manifest.map?.budget ?? 0),
			dropoutSeed: dropoutSeed(seededRandom(1), 1),
		};
		const y =
			manifest.loss.kind === "binary-cross-entropy"
				? { ...zeros("int64", [batchSize, manifest.classes.length]) }
				: labelTensor(new Array<number>(batchSize).fill(0));
		let started = clock.now();
		// The first one compiles the graphs.
		for (let i = 0; i <= steps; i++) {
			if (i === 1) started = clock.now();
			using pass = await segment.forward(inputs, true);
			const { map } = pass;
			const feeds = {
				...inputs,
				...(map !== undefined && { map }),
				y,
				cutGradient: zeros("float32", [batchSize, ...manifest.smashedShape]),
				learningRate: scalar(0),
				headLearningRate: scalar(0),
				robustBudget: scalar(manifest.robustBudget),
			};
			await segment.train(feeds, pass);
		}
		const each = Math.round((clock.now() - started) / steps);
		const found = `${each} ms for ${batchSize} samples of ${manifest.name}`;
		if (each <= 1000) return { name, status: "ok", found };
		const remedy = "Compile with an earlier cut (psgl compile --list-cuts), smaller batches, or fewer rounds";
		return { name, status: "warn", found, remedy };
	} catch (error) {
		return { name, status: "fail", found: (error as Error).message, remedy: "Check the file given with --artifact" };
	}
}
