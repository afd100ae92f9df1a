import {
	type AuditResult,
	type CodePoint,
	type ReconstructionAttack,
	type ReconstructionFigures,
	type ReconstructionResult,
	reconstructionAttacks,
} from "@psgl/models";
import { attackBars } from "./attack-bars.js";
import { type AuditOrigin, describe } from "./audit-record.js";
import { escaped, htmlTable } from "./html.js";
import { leakChart } from "./leak-chart.js";
import { pictureRows, samplesOf } from "./picture-rows.js";
import { reportStyle } from "./report-style.js";
import { sampleImage, smashedImage } from "./sample-image.js";

/** The report of an audit: one file of HTML that loads nothing. */
export function auditReport(
	result: AuditResult,
	origin: AuditOrigin,
	shape: readonly number[],
	sweep: readonly CodePoint[] = [],
): string {
	const title = `Privacy audit of ${origin.artifact.name}`;
	const parts = [
		`<h1>${escaped(title)}</h1>`,
		`<p>Privacy mode <b>${escaped(origin.privacy)}</b></p>`,
		`<p>${escaped(origin.data)}; what a device sends at inference, as ${escaped(origin.wire)} on the wire: ${result.release.values.toLocaleString("en-US")} numbers, ${result.release.bits.toLocaleString("en-US")} bits a sample. ${attackerLine(result)}</p>`,
		result.complete ? "" : '<p class="note">Interrupted: the attacks that are missing may find more.</p>',
		headlines(result),
		"<h2>What was, what leaves, what comes back</h2>",
		grid(result, shape, origin.classes),
		"<h2>Reconstruction</h2>",
		bars(result),
		reconstructionTable(result),
		utility(result, origin.artifact.name, sweep),
		result.inferences.length === 0 ? "" : `<h2>What else is learned</h2>${inferenceTable(result)}`,
		"<h2>Who attacks</h2>",
		threatModels(origin),
		"<h2>How to read this</h2>",
		reading(result),
		...[...result.notes, ...result.skipped.map(({ name, why }) => `${name} ${why}`)].map(
			(note) => `<p class="note">${escaped(note)}</p>`,
		),
		footer(result, origin),
	];
	const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>${escaped(title)}</title><style>${reportStyle}</style>`;
	return `<!doctype html>\n<html lang="en"><head>${head}</head><body>\n${parts.filter((part) => part !== "").join("\n")}\n</body></html>\n`;
}

function headlines({ leak, leakBeyondLabel, leakBeyondLabelDecoder, worst }: AuditResult): string {
	const box = (name: string, value: number, attack: string | undefined, meaning: string) =>
		`<div>${name}<b>${figure(value, 2)}</b>${meaning}${attack === undefined ? "" : `<br>by ${escaped(attack)}`}</div>`;
	return `<div class="headlines">${box("leak", leak, worst.leak, "0: no more than the mean sample; 1: as without a defence")}${box(
		"leakBeyondLabel",
		leakBeyondLabel,
		worst.leakBeyondLabel,
		"0: no more than the label tells",
	)}${box(
		"leakBeyondLabelDecoder",
		leakBeyondLabelDecoder,
		worst.leakBeyondLabelDecoder,
		"0: no more than a decoder makes of the label",
	)}</div>`;
}

function attackerLine({ attackerSamples, attackerSet: { name, distribution } }: AuditResult): string {
	const count = attackerSamples.toLocaleString("en-US");
	return distribution === "same"
		? `The attacker has ${count} samples of the same distribution: another part of ${escaped(name)}.`
		: `The attacker has ${count} samples of another distribution: ${escaped(name)}.`;
}

/** A row of pictures a kind, and which victim is of which class. */
function grid(result: AuditResult, shape: readonly number[], classes: readonly string[]): string {
	const rows = pictureRows(result, shape).map((row) => {
		const draw = row.kind === "smashed" ? smashedImage : sampleImage;
		const cells = samplesOf(row).map(
			(values, n) => `<td>${draw(values, row.shape, `${escaped(row.name)}, victim ${n + 1}`)}</td>`,
		);
		const kind = row.kind === "undefended" ? "free" : "group";
		return `<tr class="${kind}"><td>${escaped(row.name)}</td>${cells.join("")}</tr>`;
	});
	const heads = Array.from(result.victimLabels, (label) => `<th>${escaped(classes[label] ?? String(label))}</th>`);
	return `<div class="grid"><table><thead><tr><th></th>${heads.join("")}</tr></thead><tbody>
${rows.join("\n")}
</tbody></table></div>`;
}

function bars({ reconstructions, anchors }: AuditResult): string {
	const shown = reconstructions.map(({ name, defended, undefended, weak }) => ({
		name,
		defended: defended.similarity,
		undefended: undefended.similarity,
		weak,
	}));
	const about =
		"Similarity of the reconstructions to the originals; a tick marks the same attack on the undefended network.";
	return shown.length === 0 ? "" : `${attackBars(shown, anchors)}<p>${about}</p>`;
}

function utility({ utility: found, leakBeyondLabel }: AuditResult, name: string, sweep: readonly CodePoint[]): string {
	if (found === undefined) return "";
	const { samples, balancedAccuracy, undefended } = found;
	const points = [
		{ name, utility: balancedAccuracy, leakBeyondLabel },
		...(undefended === undefined ? [] : [{ name: "undefended", utility: undefended, leakBeyondLabel: 1 }]),
	];
	const curve = sweep.map((point) => ({
		name: `${point.bits} bits`,
		utility: point.balancedAccuracy,
		leakBeyondLabel: point.leakBeyondLabel,
	}));
	const free = undefended === undefined ? "" : `, the undefended network ${percent(undefended, 1)}`;
	return `<h2>Privacy against utility</h2>${leakChart(points, curve)}<p>Balanced accuracy on ${samples} samples of the test part: ${percent(balancedAccuracy, 1)}${free}.</p>${sweepTable(sweep)}`;
}

function reconstructionTable(result: AuditResult): string {
	const { similarity, meanSample, classMeanSample, labelDecoder, reconstructions, worst, recognisedOriginals } = result;
	const measure = similarity === "ssim" ? "SSIM" : "correlation";
	const signals = meanSample.timeWarping !== undefined;
	const ofSignals = signals ? ["own correlation", "time warping"] : [];
	const head = [
		"",
		"victims",
		measure,
		...ofSignals,
		"PSNR dB",
		"MSE",
		"perceptual",
		"recognised",
		"leak",
		"beyond label",
		"beyond label decoder",
		"",
	];
	const figures = (f: ReconstructionFigures) => [
		figure(f.similarity, 3),
		...(signals ? [figure(f.ownCorrelation, 3), figure(f.timeWarping, 4)] : []),
		figure(f.psnr, 1),
		figure(f.mse, 4),
		figure(f.perceptualDistance, 3),
		percent(f.recognised),
	];
	const victims = String(result.victims);
	const rows = [
		["mean sample", victims, ...figures(meanSample), figure(0, 2), "", "", "anchor"],
		["class-mean sample", victims, ...figures(classMeanSample), "", figure(0, 2), "", "anchor"],
		...(labelDecoder === undefined
			? []
			: [["label-only decoder", victims, ...figures(labelDecoder), "", "", figure(0, 2), "anchor"]]),
		...reconstructions.flatMap((r) => [
			[
				r.name,
				String(r.victims),
				...figures(r.defended),
				figure(r.leak, 2),
				figure(r.leakBeyondLabel, 2),
				figure(r.leakBeyondLabelDecoder, 2),
				remark(r),
			],
			[
				"  undefended",
				String(r.victims),
				...figures(r.undefended),
				"",
				"",
				"",
				r.undefended.similarity === result.anchors.undefended ? "anchor" : "",
			],
		]),
	];
	const anchorRows = labelDecoder === undefined ? 2 : 3;
	const strong = reconstructions.flatMap(({ name }, i) =>
		name === worst.leak || name === worst.leakBeyondLabel ? [anchorRows + 2 * i] : [],
	);
	const originals =
		recognisedOriginals === undefined
			? ""
			: `<p>The undefended network recognises ${percent(recognisedOriginals)} of the originals.</p>`;
	return `${wide(htmlTable(head, rows, strong))}${originals}`;
}

function sweepTable(sweep: readonly CodePoint[]): string {
	if (sweep.length === 0) return "";
	const rows = sweep.map(({ code, bits, balancedAccuracy, leak, leakBeyondLabel }) => [
		`${bits} bits`,
		`${code.numbers} of ${code.bits} bits`,
		percent(balancedAccuracy, 1),
		figure(leak, 2),
		figure(leakBeyondLabel, 2),
	]);
	const head = ["code", "numbers", "balanced accuracy", "leak", "beyond label"];
	return `<p>Codes of several widths, trained on the train part and attacked alike:</p>${wide(htmlTable(head, rows))}`;
}

function remark({ name, weak }: ReconstructionResult): string {
	if (weak) return "weak attack";
	const { active = false }: ReconstructionAttack = reconstructionAttacks[name];
	return active ? "malicious aggregator" : "";
}

function inferenceTable({ inferences }: AuditResult): string {
	const rows = inferences.map(({ name, value, undefended, chance, note }) => [
		describe(name).title,
		figure(value, 3),
		figure(undefended, 3),
		figure(chance, 3),
		note ?? "",
	]);
	return wide(htmlTable(["", "found", "undefended", "by guessing", ""], rows));
}

function threatModels({ attacks }: AuditOrigin): string {
	const items = attacks.map((name) => {
		const { title, threatModel } = describe(name);
		return `<dt>${escaped(name)}: ${escaped(title)}</dt><dd>${escaped(threatModel)}</dd>`;
	});
	return `<dl>${items.join("")}</dl>`;
}

function reading({ anchors, similarity, meanSample }: AuditResult): string {
	const signals =
		meanSample.timeWarping === undefined
			? ""
			: " Own correlation is that of what a beat has beyond its class mean; time warping the mean difference that is left when both are laid over each other by dynamic time warping.";
	const measure = similarity === "ssim" ? "SSIM by scikit-image's definition" : "Pearson correlation";
	return `<p>Similarity is ${measure}. leak = (attack − ${figure(anchors.mean, 3)}) / (${figure(anchors.undefended, 3)} − ${figure(anchors.mean, 3)}): the mean sample, and the strongest attack on the same network without a defence. leakBeyondLabel has the class mean, ${figure(anchors.classMean, 3)}, in place of the mean; leakBeyondLabelDecoder what the same decoder makes of the label alone, where that is better: such a decoder passes the class mean by its skill in similarity. An attack on fewer victims is held against the anchors of those. A weak attack fails on the undefended network too, so that its failure here says nothing. A malicious aggregator breaks the rules of training; what it gets without a defence is no anchor, so its leak may be above 1.${signals} An audit shows what these attacks find; it proves no bound.</p>`;
}

function footer(
	result: AuditResult,
	{ command, artifact, seed, threads, budget, runtime, program }: AuditOrigin,
): string {
	return `<footer><p><code>${escaped(command)}</code></p><p>artifact ${escaped(artifact.name)}, version ${artifact.version}, SHA-256 ${artifact.sha256}; seed ${seed}, ${threads} threads, budget ${budget}; ${result.victims} victims, ${result.attackerSamples} samples of the attacker; psgl ${escaped(program)}, ${escaped(runtime)}</p></footer>`;
}

/** A table that a narrow window scrolls by itself. */
const wide = (table: string) => `<div class="wide">${table}</div>`;

function figure(value: number | undefined, digits: number): string {
	return value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits);
}

function percent(share: number | undefined, digits = 0): string {
	return share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`;
}
