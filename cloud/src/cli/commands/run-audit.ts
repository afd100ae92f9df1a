import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
	type AuditAttackName,
	type AuditBudgetName,
	type AuditEvent,
	type AuditOptions,
	type AuditResult,
	auditAttackNames,
	auditBudgets,
	type CodePoint,
	quickAttackNames,
	runAudit,
	sweepCodes,
} from "@psgl/models";
import { ConfigError } from "@psgl/sdk";
import { type Artifact, sha256 } from "@psgl/sdk/artifact";
import type { WireDType } from "@psgl/sdk/protocol";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { type DataSplits, loadData } from "@psgl/sdk/sources";
import { type AuditOrigin, auditRecord, describe } from "../../audit-report/audit-record.js";
import { auditReport } from "../../audit-report/audit-report.js";
import { auditPictureFile } from "../../audit-report/picture-rows.js";
import { writeOutput } from "../../files/write-output.js";
import { exceededThresholds } from "../audit-thresholds.js";
import { defaultThreads } from "../common-options.js";
import { describePrivacy } from "../describe-privacy.js";
import { auditFailed, interrupted } from "../exit-codes.js";
import { openArtifact } from "../open-artifact.js";
import type { Output, Progress } from "../output.js";
import { earlierFiles } from "../round-artifacts.js";
import type { VerbContext } from "../verb.js";
import { version } from "../version.js";

interface AuditValues {
	readonly artifact: string;
	readonly data: string;
	readonly attackerData?: string | undefined;
	readonly undefended?: string | undefined;
	readonly earlier?: string | undefined;
	readonly attacks?: string | undefined;
	readonly budget: AuditBudgetName;
	readonly sweep?: "bits" | undefined;
	readonly failAbove?: string | undefined;
	readonly wire: WireDType;
	readonly imageSize?: number | undefined;
	readonly seed: number;
	readonly threads?: number | undefined;
	readonly output: string;
}

/** Audits, writes report and record, prints the figures; what is finished is written after an interruption too. */
export async function runAuditVerb(options: AuditValues, { output, signal }: VerbContext): Promise<number> {
	const artifact = await openArtifact(options.artifact);
	const undefended = options.undefended === undefined ? undefined : await openArtifact(options.undefended);
	const earlier: Artifact[] = [];
	const files = options.earlier === undefined ? [] : await earlierFiles(options.earlier);
	for (const path of files) earlier.push(await openArtifact(path));
	const { manifest } = artifact;
	const read = (path: string): Promise<DataSplits> =>
		loadData(path, {
			seed: options.seed,
			imageSize: options.imageSize ?? manifest.inputShape[1],
			signal,
			onProgress: (event) => {
				if (event.type === "warning")
					output.event("warning", { code: event.code, message: event.message }, event.message);
			},
		});
	const data = await read(options.data);
	const attackerData = options.attackerData === undefined ? undefined : await read(options.attackerData);
	const threads = options.threads ?? defaultThreads();
	const attacks = attacksOf(options);
	const progress = auditProgress(output);
	const auditOptions: AuditOptions = {
		runtime: nodeRuntime,
		threads,
		seed: options.seed,
		budget: auditBudgets[options.budget],
		attacks,
		wire: options.wire,
		attackerData,
		undefended,
		earlier,
		signal,
		onEvent: progress,
	};
	let sweep: readonly CodePoint[] = [];
	const result = await runAudit(artifact, data, auditOptions)
		.then(async (done) => {
			if (options.sweep !== undefined && done.complete) sweep = await sweepCodes(manifest, data, auditOptions);
			return done;
		})
		.finally(() => output.close());
	const origin: AuditOrigin = {
		command: commandOf(options, attacks, threads),
		artifact: {
			file: basename(options.artifact),
			name: manifest.name,
			version: manifest.version,
			sha256: await sha256(await readFile(options.artifact)),
		},
		privacy: describePrivacy(manifest),
		data: data.name,
		seed: options.seed,
		threads,
		budget: options.budget,
		wire: options.wire,
		runtime: nodeRuntime.version,
		program: version,
		attacks,
		classes: manifest.classes,
	};
	const record = { ...auditRecord(result, origin), ...(options.sweep !== undefined && { sweep }) };
	const recordFile = join(dirname(options.output), "audit.json");
	await writeOutput(options.output, auditReport(result, origin, manifest.inputShape, sweep));
	await writeOutput(recordFile, `${JSON.stringify(record, withoutNumber, "\t")}\n`);
	const { sha256: digest } = origin.artifact;
	const pictures = auditPictureFile(result, { shape: manifest.inputShape, classes: manifest.classes, sha256: digest });
	const picturesFile = join(dirname(options.output), "audit-pictures.json");
	await writeOutput(picturesFile, `${JSON.stringify(pictures)}\n`);
	print(output, result, origin.privacy);
	for (const { bits, balancedAccuracy, leak, leakBeyondLabel } of sweep) {
		const found = `leak ${leak.toFixed(2)}, leakBeyondLabel ${leakBeyondLabel.toFixed(2)}`;
		output.print(`Code of ${bits} bits: balanced accuracy ${(100 * balancedAccuracy).toFixed(1)} %, ${found}`);
	}
	const exceeded = exceededThresholds(result, options.failAbove);
	for (const { name, limit, value } of exceeded) {
		const found = Number.isNaN(value) ? "could not be measured" : value.toFixed(3);
		output.event("exceeded", { name, limit, value }, `${name} is above ${limit}: ${found}`);
	}
	output.print(`Written: ${options.output}, ${recordFile}, ${picturesFile}`);
	output.result({ ...record, report: options.output, record: recordFile, pictures: picturesFile, exceeded });
	if (!result.complete) return interrupted;
	return exceeded.length > 0 ? auditFailed : 0;
}

function attacksOf({ attacks, budget, earlier }: AuditValues): readonly AuditAttackName[] {
	if (attacks === undefined) {
		const made = budget === "quick" ? quickAttackNames : auditAttackNames;
		return made.filter((name) => name !== "path" || earlier !== undefined);
	}
	const names = [...new Set(attacks.split(",") as AuditAttackName[])];
	if (!names.includes("path") || earlier !== undefined) return names;
	throw new ConfigError("PSGL_OPTION_CONFLICT", {
		what: "the path attack is on several releases of a sample",
		got: "--attacks with path, without --earlier",
		expected: "--earlier with the artifacts of earlier rounds",
	});
}

/** A bar for each stage, and a line for each finished attack. */
function auditProgress(output: Output): (event: AuditEvent) => void {
	let current: { readonly what: string; readonly bar: Progress } | undefined;
	return (event) => {
		if (event.type === "progress") {
			if (current?.what !== event.what) current = { what: event.what, bar: output.progress(event.what, 100) };
			current.bar.update(Math.floor(100 * event.share));
			return;
		}
		current?.bar.stop();
		current = undefined;
		if (event.type === "skipped") {
			const { name, why } = event.skipped;
			output.event("skipped", { name, why }, `${describe(name).title}: ${why}`);
			return;
		}
		const { result } = event;
		const found =
			"defended" in result
				? `similarity ${result.defended.similarity.toFixed(3)}, undefended ${result.undefended.similarity.toFixed(3)}`
				: (result.note ?? result.value.toFixed(3));
		output.event("attack", { ...result }, `${describe(result.name).title}: ${found}`);
	};
}

/** The command line that makes the same audit again, paths by their names alone. */
function commandOf(options: AuditValues, attacks: readonly AuditAttackName[], threads: number): string {
	const { artifact, data, attackerData, undefended, earlier, budget, wire, seed, sweep } = options;
	const parts = ["psgl audit", basename(artifact), "--data", basename(data)];
	if (attackerData !== undefined) parts.push("--attacker-data", basename(attackerData));
	if (undefended !== undefined) parts.push("--undefended", basename(undefended));
	if (earlier !== undefined)
		parts.push(
			"--earlier",
			earlier
				.split(",")
				.map((path) => basename(path))
				.join(","),
		);
	if (sweep !== undefined) parts.push("--sweep", sweep);
	parts.push(`--attacks ${attacks.join(",")} --budget ${budget} --wire ${wire} --seed ${seed} --threads ${threads}`);
	return parts.join(" ");
}

function print(output: Output, result: AuditResult, privacy: string): void {
	output.print(`Privacy mode ${privacy}`);
	const number = (value: number, digits: number) => (Number.isNaN(value) ? "-" : value.toFixed(digits));
	output.table(
		[
			{ title: "attack" },
			{ title: "similarity", align: "right" },
			{ title: "undefended", align: "right" },
			{ title: "PSNR dB", align: "right" },
			{ title: "leak", align: "right" },
			{ title: "beyond label", align: "right" },
			{ title: "" },
		],
		[
			["mean sample", number(result.anchors.mean, 3), "", number(result.meanSample.psnr, 1), "0.00", "", "anchor"],
			[
				"class mean",
				number(result.anchors.classMean, 3),
				"",
				number(result.classMeanSample.psnr, 1),
				"",
				"0.00",
				"anchor",
			],
			...(result.labelDecoder === undefined
				? []
				: [["label-only decoder", number(result.labelDecoder.similarity, 3), "", "", "", "", "anchor"]]),
			...result.reconstructions.map((r) => [
				r.name,
				number(r.defended.similarity, 3),
				number(r.undefended.similarity, 3),
				number(r.defended.psnr, 1),
				number(r.leak, 2),
				number(r.leakBeyondLabel, 2),
				r.weak ? "weak attack" : "",
			]),
		],
	);
	for (const { name, value, undefended, chance, note } of result.inferences) {
		const free = undefended === undefined ? "" : `, undefended ${number(undefended, 3)}`;
		const said = note === undefined ? "" : ` (${note})`;
		output.print(`${describe(name).title}: ${number(value, 3)}${free}, by guessing ${number(chance, 3)}${said}`);
	}
	const beyond = [
		`leakBeyondLabel ${number(result.leakBeyondLabel, 2)}`,
		`leakBeyondLabelDecoder ${number(result.leakBeyondLabelDecoder, 2)}`,
	];
	output.print(`leak ${number(result.leak, 2)}, ${beyond.join(", ")}`);
	for (const note of result.notes) output.print(`Note: ${note}`);
	for (const { name, why } of result.skipped) output.print(`Not made: ${name} ${why}`);
	if (!result.complete) output.print("Interrupted: attacks are missing, and they may find more.");
}

/** JSON has no NaN: what could not be measured is null. */
function withoutNumber(_key: string, value: unknown): unknown {
	return typeof value === "number" && !Number.isFinite(value) ? null : value;
}
