import { PsglError, seededRandom } from "@psgl/sdk";
import type { FuzzTarget } from "./fuzz-target.js";
import { makeCase } from "./make-case.js";

/** What a reader must not do with an input. */
export interface Finding {
	/** Number of the case. */
	readonly case: number;
	readonly what: string;
	/** The input, base64. */
	readonly input: string;
}

export interface CaseRange {
	/** The target's name, part of what a case is made from. */
	readonly name: string;
	readonly seed: number;
	/** Number of the first case. */
	readonly from: number;
	readonly cases: number;
}

export interface Cases {
	readonly accepted: number;
	/** Inputs refused with a `PsglError`. */
	readonly refused: number;
	readonly findings: readonly Finding[];
	/** What resident memory grew by after the first third of the cases, when every path was taken. */
	readonly rssGrowthBytes: number;
	/** Processor time of it all, seconds. */
	readonly cpuSeconds: number;
}

/** Processor time one input may take, milliseconds. */
const maxCpuMs = 1000;

/** Findings of one kind tell nothing new. */
const mostFindings = 20;

/** Bytes of a case. */
export const caseOf = (target: FuzzTarget, { name, seed }: CaseRange, index: number): Uint8Array =>
	makeCase(target, seededRandom(seed).fork(`${name} ${index}`));

/** Reads the cases of a range. @param onCase is told of each before it is read */
export async function runCases(target: FuzzTarget, range: CaseRange, onCase: (index: number) => void): Promise<Cases> {
	const end = range.from + range.cases;
	const warm = range.from + Math.ceil(range.cases / 3);
	const findings = new Map<string, Finding>();
	const began = process.cpuUsage();
	const slowness = new Slowness();
	let [accepted, refused, rss] = [0, 0, 0];
	for (let index = range.from; index < end && findings.size < mostFindings; index++) {
		if (index === warm) rss = residentBytes();
		onCase(index);
		const input = caseOf(target, range, index);
		const startedMs = slowness.start();
		const found = await fault(target, input);
		if (found instanceof PsglError) refused++;
		else if (found === undefined) accepted++;
		const known = found === undefined || found instanceof PsglError;
		const what = known ? slowness.since(startedMs) : describe(found);
		if (what !== undefined) findings.set(kindOf(what), { case: index, what, input: base64(input) });
	}
	const rssGrowthBytes = rss === 0 || range.cases < 1000 ? 0 : residentBytes() - rss;
	const { user, system } = process.cpuUsage(began);
	const cpuSeconds = (user + system) / 1e6;
	return { accepted, refused, findings: [...findings.values()], rssGrowthBytes, cpuSeconds };
}

async function fault(target: FuzzTarget, input: Uint8Array): Promise<unknown> {
	try {
		await target.read(input);
		return undefined;
	} catch (error) {
		return error ?? "an error that is nothing";
	}
}

/** Tells of inputs that take long by processor time, as on a busy machine everything waits; asks for it seldom, since that takes long itself. */
class Slowness {
	#cpu = process.cpuUsage();
	#askedMs = performance.now();

	/** An input is being read from now on. @returns now, milliseconds */
	start(): number {
		const now = performance.now();
		if (now - this.#askedMs > maxCpuMs / 20) {
			this.#cpu = process.cpuUsage();
			this.#askedMs = now;
		}
		return now;
	}

	/** An input was read that `start` was told of. */
	since(startedMs: number): string | undefined {
		if (performance.now() - startedMs <= maxCpuMs) return undefined;
		const { user, system } = process.cpuUsage(this.#cpu);
		const ms = (user + system) / 1000;
		return ms > maxCpuMs ? `slow: ${Math.round(ms)} ms` : undefined;
	}
}

export function describe(error: unknown): string {
	return error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 3).join(" ") : String(error);
}

/** The same fault with other numbers and texts is the same kind. */
const kindOf = (what: string) => what.replaceAll(/"[^"]*"|'[^']*'|`[^`]*`|\d+/g, "");

export const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

function residentBytes(): number {
	globalThis.gc?.();
	return process.memoryUsage().rss;
}
