import { DataError, elementCount, type Random } from "@psgl/sdk";
import { type DataSplits, Dataset, stratifiedSplit } from "@psgl/sdk/sources";
import type { AuditBudget } from "./audit-budget.js";

/** Fewer samples than these measure nothing. */
export const auditLimits = {
	/** Victims below which no mean is printed. */
	minAuditVictims: 8,
	/** Samples of its own below which an attacker cannot learn. */
	minAuditAttackerSamples: 50,
} as const;

/** Whose samples the attacker has. */
export interface AttackerSet {
	readonly name: string;
	/** `same`: another part of the victims' set; `other`: a set of its own. */
	readonly distribution: "same" | "other";
}

/** Decisions on more samples tell little more. */
const mostJudged = 1000;

/** Who is attacked, and what the attacker owns. */
export interface AuditData {
	readonly victims: Dataset;
	readonly attacker: Dataset;
	/** Samples among which linkage looks; the first are the victims. */
	readonly candidates: Dataset;
	readonly attackerSet: AttackerSet;
	/** Samples of the test part to judge decisions on. */
	readonly judged: Dataset;
	/** As many samples of the train part as there are candidates. */
	readonly members: Dataset;
	/** What a reader must know, such as samples that were left out. */
	readonly notes: readonly string[];
}

/**
 * Victims from the test part of `data`, the attacker's samples from its train part, or all of `own` where the attacker
 * has a set of its own. Samples that the file itself has in both parts are taken from the attacker, which is noted; in
 * a set of its own they are refused.
 *
 * @throws DataError `PSGL_AUDIT_OVERLAP`, `PSGL_AUDIT_SAMPLES`
 */
export function auditData(
	data: DataSplits,
	own: DataSplits | undefined,
	budget: AuditBudget,
	random: Random,
): AuditData {
	const notes: string[] = [...(data.notes ?? [])];
	const drawn = part(data.test, Math.max(budget.victims, budget.candidates), random.fork("victims"));
	// In random order, so that the first of them are victims of every class.
	const candidates = drawn.subset(random.fork("order").permutation(drawn.length));
	const victims = candidates.subset(firstOf(Math.min(budget.victims, candidates.length)));
	const forbidden = new Set(keys(data.test));
	const source = own === undefined ? data.train : joined([own.train, own.validation, own.test]);
	const free = keys(source).flatMap((key, n) => (forbidden.has(key) ? [] : [n]));
	const doubled = source.length - free.length;
	if (doubled > 0 && own !== undefined) {
		throw new DataError("PSGL_AUDIT_OVERLAP", {
			what: "the attacker's samples are not disjoint from the victims",
			got: `${doubled} samples of ${own.name} are also in the test part of ${data.name}`,
			expected: "no sample in both",
			remedy: "Give the attacker other samples; one who has the victims needs no attack",
		});
	}
	if (doubled > 0)
		notes.push(`${doubled} train samples of ${data.name} are in its test part too: the attacker does not get them`);
	const owned = part(source.subset(free), budget.attackerSamples, random.fork("attacker"));
	const attacker = owned.subset(random.fork("attacker order").permutation(owned.length));
	atLeast(victims.length, auditLimits.minAuditVictims, `the test part of ${data.name}`);
	atLeast(attacker.length, auditLimits.minAuditAttackerSamples, `the attacker's part of ${(own ?? data).name}`);
	const members = part(data.train, candidates.length, random.fork("members"));
	const judged = part(data.test, mostJudged, random.fork("judged"));
	const attackerSet: AttackerSet =
		own === undefined ? { name: data.name, distribution: "same" } : { name: own.name, distribution: "other" };
	return { victims, attacker, attackerSet, candidates, judged, members, notes };
}

function atLeast(count: number, least: number, where: string): void {
	if (count >= least) return;
	throw new DataError("PSGL_AUDIT_SAMPLES", {
		what: `${where} has too few samples to measure anything`,
		got: `${count}`,
		expected: `at least ${least}`,
		remedy: "Give more data; a figure from so few would be invented",
	});
}

/** About `count` samples in which every class keeps its share. */
function part(dataset: Dataset, count: number, random: Random): Dataset {
	if (count >= dataset.length) return dataset;
	return dataset.subset(stratifiedSplit(dataset.labels, 1, count, random).taken);
}

/** Each sample's bytes as text: equal for equal samples, also where one set holds bytes and the other numbers. */
function keys(dataset: Dataset): readonly string[] {
	const size = elementCount(dataset.shape);
	const factor = dataset.samples instanceof Uint8Array ? 1 : 255;
	return Array.from({ length: dataset.length }, (_, n) => {
		const values = dataset.samples.subarray(n * size, (n + 1) * size);
		return Buffer.from(Float32Array.from(values, (v) => Math.fround(v * factor)).buffer).toString("latin1");
	});
}

/** All samples of several parts of one set. */
function joined(parts: readonly Dataset[]): Dataset {
	const { shape, classes, samples } = parts[0] as Dataset;
	const total = parts.reduce((sum, { length }) => sum + length, 0);
	const size = elementCount(shape);
	const all = samples instanceof Uint8Array ? new Uint8Array(total * size) : new Float32Array(total * size);
	const labels = new Int32Array(total);
	let at = 0;
	for (const one of parts) {
		all.set(one.samples, at * size);
		labels.set(one.labels, at);
		at += one.length;
	}
	return new Dataset({ shape, classes, labels, samples: all });
}

const firstOf = (count: number) => Array.from({ length: count }, (_, i) => i);
