import { fork } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { base64, type Cases, caseOf, type Finding } from "./run-cases.js";
import { targets } from "./targets.js";

export interface FuzzOptions {
	/** Name of a target. */
	readonly name: string;
	readonly cases: number;
	readonly seed: number;
	/** Number of the first case. Default 0. */
	readonly from?: number | undefined;
}

/** How a target did. */
export interface FuzzReport extends Cases {
	readonly name: string;
	readonly cases: number;
	readonly seconds: number;
}

/** Bytes that memory may grow by over a run. */
export const maxRssGrowthBytes = 50 * 1024 * 1024;

/** Milliseconds without a new case after which the one under way counts as hanging; a busy machine has time for one. */
const hangMs = 60_000;

/** Times a process is started again after one that died or hung. */
const mostDeaths = 10;

/** Cases a process reads before the next one goes on: bounds what the process of one target keeps of each (docs/development.md). */
const mostCases: Readonly<Record<string, number>> = { store: 20_000 };

type Answer = { type: "done"; result: Cases } | { type: "escaped"; finding: Finding };

/** Runs the cases of one target in a process of its own, and goes on after a case that ends or blocks it. */
export async function runFuzz({ name, cases, seed, from = 0 }: FuzzOptions): Promise<FuzzReport> {
	const startedMs = performance.now();
	const end = from + cases;
	const total = { accepted: 0, refused: 0, findings: [] as Finding[], rssGrowthBytes: 0, cpuSeconds: 0 };
	for (let at = from, deaths = 0; at < end && deaths < mostDeaths; ) {
		const range = { name, seed, from: at, cases: Math.min(end - at, mostCases[name] ?? end) };
		const { answer, last, hung } = await runProcess(range);
		if (answer?.type === "done") {
			const { result } = answer;
			total.accepted += result.accepted;
			total.refused += result.refused;
			total.findings.push(...result.findings);
			total.cpuSeconds += result.cpuSeconds;
			total.rssGrowthBytes = Math.max(total.rssGrowthBytes, result.rssGrowthBytes);
			at += range.cases;
			continue;
		}
		total.findings.push(answer?.finding ?? (await lost(range, last, hung)));
		at = last + 1;
		deaths++;
	}
	if (total.rssGrowthBytes > maxRssGrowthBytes) {
		total.findings.push({ case: from, what: `memory grew by ${total.rssGrowthBytes} bytes`, input: "" });
	}
	return { name, cases, seconds: (performance.now() - startedMs) / 1000, ...total };
}

/** The finding of a process that ended without a word, or did not go on. */
async function lost(range: Parameters<typeof caseOf>[1], last: number, hung: boolean): Promise<Finding> {
	const target = await (targets[range.name] as NonNullable<(typeof targets)[string]>)();
	try {
		const input = base64(caseOf(target, range, last));
		return { case: last, what: hung ? `hung: no answer for ${hangMs} ms` : "the process died", input };
	} finally {
		await target.close?.();
	}
}

async function runProcess(range: { name: string; seed: number; from: number; cases: number }) {
	const folder = await mkdtemp(join(tmpdir(), "psgl-fuzz-"));
	const box = join(folder, "case");
	const { name, seed, from, cases } = range;
	const args = [name, String(seed), String(from), String(cases), box];
	// Left to itself V8 keeps up to 48 MiB for new objects, which would hide or feign a leak.
	const execArgv = ["--expose-gc", "--max-semi-space-size=8"];
	const child = fork(fileURLToPath(new URL("fuzz-process.js", import.meta.url)), args, { execArgv });
	const underWay = async () => Number((await readFile(box, "utf8").catch(() => "")) || from);
	let answer: Answer | undefined;
	child.on("message", (message) => {
		answer = message as Answer;
	});
	let hung = false;
	let seen = -1;
	const watch = setInterval(async () => {
		const now = await underWay();
		if (now === seen && child.exitCode === null) {
			hung = true;
			child.kill("SIGKILL");
		}
		seen = now;
	}, hangMs);
	try {
		await new Promise<void>((resolve) => child.once("exit", () => resolve()));
		return { answer, last: answer?.type === "escaped" ? answer.finding.case : await underWay(), hung };
	} finally {
		clearInterval(watch);
		await rm(folder, { recursive: true, force: true });
	}
}
