import type { AuditResult } from "@psgl/models";
import { elementCount, type Tensor } from "@psgl/sdk";
import { levelsOf } from "./sample-image.js";

/** A row of the report's pictures: one sample of each victim. */
export interface PictureRow {
	readonly name: string;
	readonly kind: "original" | "smashed" | "rebuilt" | "undefended";
	/** Of one sample. */
	readonly shape: readonly number[];
	/** [victims,...shape] */
	readonly samples: Tensor<"float32">;
}

/** What was, what left, what came back: attacks by what they find, the strongest first, each with its reconstruction without a defence. */
export function pictureRows(
	{ pictures, reconstructions }: AuditResult,
	shape: readonly number[],
): readonly PictureRow[] {
	const { originals, smashed, rebuilt, rebuiltUndefended } = pictures;
	const row = (
		name: string,
		kind: PictureRow["kind"],
		samples: Tensor<"float32"> | undefined,
		of: readonly number[] = shape,
	): readonly PictureRow[] => (samples === undefined ? [] : [{ name, kind, shape: of, samples }]);
	const strongest = reconstructions.toSorted((a, b) => b.defended.similarity - a.defended.similarity);
	return [
		...row("original", "original", originals),
		...row("what leaves", "smashed", smashed, smashed.dims.slice(1)),
		...strongest.flatMap(({ name, weak }) => [
			...row(weak ? `${name} (weak)` : name, "rebuilt", rebuilt.get(name)),
			...row("undefended", "undefended", rebuiltUndefended.get(name)),
		]),
	];
}

/** Each sample's values of a row. */
export function samplesOf({ samples, shape }: PictureRow): readonly Float32Array[] {
	const size = elementCount(shape);
	return Array.from({ length: samples.data.length / size }, (_, n) => samples.data.subarray(n * size, (n + 1) * size));
}

/** What `audit-pictures.json` holds: the rows with a byte for each value. @param sha256 of the audited artifact */
export function auditPictureFile(
	result: AuditResult,
	{
		shape,
		classes,
		sha256,
	}: { readonly shape: readonly number[]; readonly classes: readonly string[]; readonly sha256: string },
): Readonly<Record<string, unknown>> {
	return {
		sha256,
		victims: Array.from(result.victimLabels, (label) => classes[label] ?? String(label)),
		rows: pictureRows(result, shape).map((row) => ({
			name: row.name,
			kind: row.kind,
			shape: row.shape,
			samples: samplesOf(row).map((values) => Buffer.from(levelsOf(values, row)).toString("base64")),
		})),
	};
}
