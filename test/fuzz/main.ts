import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Finding } from "./run-cases.js";
import { runFuzz } from "./run-fuzz.js";
import { targets } from "./targets.js";

const names = Object.keys(targets);

const help = `npm run fuzz -- [--cases N] [--seed S] [--only TARGET,...] [--from N] [--json]

Feeds changed inputs to every reader of bytes from outside, and to a broker over TCP. What a reader must not do is a
finding: another error than a PsglError, the end of the process, more than a second, memory that grows by 50 MB. Inputs
of findings are kept in test/fixtures/fuzz.

  --cases N      cases of each target (1000000)
  --seed S       another seed makes other cases (1)
  --only TARGET  of ${names.join(", ")}
  --from N       number of the first case: --from N --cases 1 makes case N again (0)
  --json         one line of JSON for each target, and a last one for all

Exit code 1 when anything was found, 2 for an option that cannot be used.
`;

const fixtures = fileURLToPath(new URL("../../../test/fixtures/fuzz/", import.meta.url));

/** Keeps the input of a finding; the test of fixtures reads it again from then on. */
async function keep(name: string, { input }: Finding): Promise<void> {
	const bytes = Buffer.from(input, "base64");
	const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
	await mkdir(join(fixtures, name), { recursive: true });
	await writeFile(join(fixtures, name, `${digest}.bin`), bytes);
}

async function run(args: ReturnType<typeof parse>): Promise<number> {
	const { only, cases, seed, from, json } = args;
	let findings = 0;
	for (const name of only) {
		const report = await runFuzz({ name, cases, seed, from });
		findings += report.findings.length;
		for (const finding of report.findings) if (finding.input !== "") await keep(name, finding);
		if (json) console.log(JSON.stringify(report));
		else {
			const growth = (report.rssGrowthBytes / 2 ** 20).toFixed(1);
			const time = `${report.seconds.toFixed(1)} s, ${report.cpuSeconds.toFixed(1)} s of processor time`;
			console.log(`${name}: ${report.accepted} read, ${report.refused} refused, ${growth} MiB more memory, ${time}`);
			for (const finding of report.findings) console.log(`  case ${finding.case}: ${finding.what}`);
		}
	}
	console.log(json ? JSON.stringify({ targets: only.length, cases, seed, findings }) : `${findings} findings`);
	return findings === 0 ? 0 : 1;
}

function parse() {
	const { values } = parseArgs({
		options: {
			cases: { type: "string", default: "1000000" },
			seed: { type: "string", default: "1" },
			only: { type: "string", default: names.join(",") },
			from: { type: "string", default: "0" },
			json: { type: "boolean", default: false },
			help: { type: "boolean", default: false },
		},
	});
	const number = (name: "cases" | "seed" | "from") => {
		const value = Number(values[name]);
		if (Number.isSafeInteger(value) && value >= 0) return value;
		throw new Error(`--${name} takes a whole number, got ${values[name]}`);
	};
	const only = values.only.split(",");
	const unknown = only.find((name) => !names.includes(name));
	if (unknown !== undefined) throw new Error(`there is no target ${unknown}; there are ${names.join(", ")}`);
	const { json, help: wantsHelp } = values;
	return { only, cases: number("cases"), seed: number("seed"), from: number("from"), json, wantsHelp };
}

let options: ReturnType<typeof parse> | undefined;
try {
	options = parse();
} catch (error) {
	console.error((error as Error).message);
	process.exitCode = 2;
}
if (options?.wantsHelp) process.stdout.write(help);
else if (options !== undefined) process.exitCode = await run(options);
