import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { cloudLimits as limits } from "../../limits.js";

const count = z.int().min(0);
/** Null where it could not be measured. */
const figure = z.number().nullable();

const origin = z.object({
	command: z.string(),
	artifact: z.object({ name: z.string(), version: count, sha256: z.string() }),
	data: z.string(),
	budget: z.string(),
	wire: z.string(),
	program: z.string(),
});

/** What is shown of `audit.json`. */
export const auditFigures = z.object({
	origin,
	complete: z.boolean(),
	leak: figure.describe("of the strongest attack: 0 as the mean sample, 1 as without a defence"),
	leakBeyondLabel: figure.describe("the same, with what the label alone tells as 0"),
	leakBeyondLabelDecoder: figure
		.optional()
		.describe("the same, with what a decoder makes of the label alone as 0; null where none was trained"),
	similarity: z.string(),
	anchors: z.object({ mean: figure, classMean: figure, undefended: figure }),
	reconstructions: z.array(
		z.object({
			name: z.string(),
			victims: count,
			defended: z.object({ similarity: figure, psnr: figure }),
			undefended: z.object({ similarity: figure, psnr: figure }),
			leak: figure,
			leakBeyondLabel: figure,
			weak: z.boolean(),
		}),
	),
	inferences: z.array(
		z.object({
			name: z.string(),
			value: figure,
			undefended: figure.optional(),
			chance: figure,
			note: z.string().optional(),
		}),
	),
	utility: z.object({ samples: count, balancedAccuracy: figure, undefended: figure.optional() }).optional(),
	release: z.object({ values: count, bits: z.number() }),
	victims: count,
	attackerSamples: count,
	notes: z.array(z.string()),
});

/** What is shown of `audit-pictures.json`. */
export const auditPictures = z.object({
	/** Of the audited artifact. */
	sha256: z.string(),
	victims: z.array(z.string()).describe("classes of the victims"),
	rows: z.array(
		z.object({
			name: z.string(),
			kind: z.enum(["original", "smashed", "rebuilt", "undefended"]),
			shape: z.array(count).min(1).max(3).describe("of one sample: [C,H,W], [C,L], or [k] of a code"),
			samples: z.array(z.base64()).describe("of each victim, a byte for each value"),
		}),
	),
});

/** A file of an audit, and when it was written. */
export interface AuditFile<T> {
	readonly at: string;
	readonly content: T;
}

/** What `psgl audit -o STATE/audit.html` left in a state folder, read anew when it changes. */
export class AuditFiles {
	readonly #folder: string;
	readonly #read = new Map<string, { readonly changedMs: number; readonly file: AuditFile<unknown> | undefined }>();

	constructor(stateFolder: string) {
		this.#folder = stateFolder;
	}

	/** Undefined where there is no audit, or none this version reads. */
	figures(): Promise<AuditFile<z.output<typeof auditFigures>> | undefined> {
		return this.#file("audit.json", auditFigures);
	}

	pictures(): Promise<AuditFile<z.output<typeof auditPictures>> | undefined> {
		return this.#file("audit-pictures.json", auditPictures);
	}

	async #file<S extends z.ZodType>(name: string, schema: S): Promise<AuditFile<z.output<S>> | undefined> {
		const path = join(this.#folder, name);
		const facts = await stat(path).catch(() => undefined);
		if (facts === undefined || facts.size > limits.auditFileBytes) return undefined;
		const known = this.#read.get(name);
		if (known?.changedMs === facts.mtimeMs) return known.file as AuditFile<z.output<S>> | undefined;
		const content = await readFile(path, "utf8")
			.then((text) => schema.parse(JSON.parse(text)))
			.catch(() => undefined);
		const file = content === undefined ? undefined : { at: facts.mtime.toISOString(), content };
		this.#read.set(name, { changedMs: facts.mtimeMs, file });
		return file;
	}
}
