import { ConfigError, type Random, ShapeError, seededRandom } from "@psgl/sdk";
import { type Artifact, isMultiLabel } from "@psgl/sdk/artifact";
import type { DataSplits, Dataset } from "@psgl/sdk/sources";
import { auditData } from "./audit-data.js";
import type { AuditOptions } from "./audit-options.js";
import type { AuditResult } from "./audit-result.js";
import { AuditTarget } from "./audit-target.js";
import { OpenAudit, type UndefendedNetwork } from "./open-audit.js";
import { undefendedReference } from "./undefended-reference.js";

/**
 * Attacks what an artifact's client half sends, and the same network without a defence beside it.
 *
 * @param data victims come from its test part
 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` without a client half; ShapeError `PSGL_INPUT_SHAPE`; DataError
 * `PSGL_AUDIT_OVERLAP`, `PSGL_AUDIT_SAMPLES`; ConfigError `PSGL_AUDIT_UNDEFENDED`, `PSGL_AUDIT_LABELS`
 */
export async function runAudit(artifact: Artifact, data: DataSplits, options: AuditOptions): Promise<AuditResult> {
	const { runtime, threads = 1, budget, wire, signal } = options;
	const random = seededRandom(options.seed);
	requireOneClass(artifact, data);
	requireShape(artifact, data);
	if (options.attackerData !== undefined) requireShape(artifact, options.attackerData);
	const parts = auditData(data, options.attackerData, budget, random.fork("data"));
	await using target = await AuditTarget.load(artifact, { runtime, threads, wire, random: random.fork("device") });
	const reference = await undefendedArtifact(artifact, parts.attacker, options, random.fork("undefended"));
	// Without a defence nothing is rounded either.
	await using undefended = await AuditTarget.load(reference.artifact, { runtime, threads, wire: "float32" });
	await using audit = await OpenAudit.open({
		target,
		undefended,
		parts,
		options,
		random: random.fork("attacks"),
		reference,
	});
	for (const name of options.attacks) {
		if (signal?.aborted) break;
		try {
			await audit.attack(name);
		} catch (error) {
			// What was stopped half way is left out; what is finished counts.
			if (!signal?.aborted) throw error;
		}
	}
	try {
		if (!signal?.aborted) await audit.anchorByLabels();
	} catch (error) {
		if (!signal?.aborted) throw error;
	}
	return await audit.result();
}

async function undefendedArtifact(
	artifact: Artifact,
	attacker: Dataset,
	options: AuditOptions,
	random: Random,
): Promise<UndefendedNetwork> {
	const { runtime, threads = 1, budget, signal, onEvent } = options;
	const { inputShape, classes } = artifact.manifest;
	if (options.undefended !== undefined) {
		const { manifest } = options.undefended;
		if (manifest.inputShape.join() !== inputShape.join() || manifest.classes.length !== classes.length) {
			throw new ConfigError("PSGL_AUDIT_UNDEFENDED", {
				what: "the undefended network does not fit the audited one",
				got: `[${manifest.inputShape.join(",")}], ${manifest.classes.length} classes`,
				expected: `[${inputShape.join(",")}], ${classes.length} classes`,
				remedy: "Give an artifact for the same data",
			});
		}
		return { artifact: options.undefended, note: undefined };
	}
	const trained = await undefendedReference(artifact.manifest, attacker, {
		runtime,
		threads,
		random,
		steps: budget.undefendedSteps,
		signal,
		onProgress: (share) => onEvent?.({ type: "progress", what: "undefended network", share }),
	});
	if (trained !== undefined) return { artifact: trained, note: undefined };
	const note = `${artifact.manifest.network} is not in the zoo: the undefended network is the same client half without its map, unrounded`;
	return { artifact: { ...artifact, manifest: { ...artifact.manifest, map: null } }, note };
}

/** What a label alone tells, the anchor of all figures, is defined for one class a sample. */
function requireOneClass({ manifest }: Artifact, { name, test }: DataSplits): void {
	const several = isMultiLabel(manifest.loss);
	if (!several && test.targets === undefined) return;
	throw new ConfigError("PSGL_AUDIT_LABELS", {
		what: "an audit measures models and data with one class a sample",
		got: several ? `${manifest.name}, where several labels may apply` : `${name}, where several labels may apply`,
		remedy: "Audit the same network and cut with a model of one class a sample: what is sent is made alike",
	});
}

function requireShape({ manifest }: Artifact, { name, test, train }: DataSplits): void {
	if (test.shape.join() === manifest.inputShape.join() && train.classes.length === manifest.classes.length) return;
	throw new ShapeError("PSGL_INPUT_SHAPE", {
		what: `${name} does not fit the model ${manifest.name}`,
		got: `[${test.shape.join(",")}], ${train.classes.length} classes`,
		expected: `samples of shape [${manifest.inputShape.join(",")}], ${manifest.classes.length} classes`,
		remedy: "Give samples of that shape, or audit the artifact that was made for these",
	});
}
