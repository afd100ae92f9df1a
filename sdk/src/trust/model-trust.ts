import { z } from "zod";
import { ArtifactError } from "../errors.js";
import type { Clock } from "../ports/clock.js";
import type { DeviceStore } from "../ports/device-store.js";
import { type Release, readRelease, verifyRelease } from "./release.js";
import { followRoots, openRoot, type TrustedRoot } from "./root.js";
import { parseDocument, type SignedDocument, signedDocumentSchema } from "./signed-document.js";
import { trustLimits } from "./trust-limits.js";

/** Records of a device's store that outlast everything else in it. */
export const trustPrefix = "trust/";

const recordName = `${trustPrefix}models`;

const recordSchema = z.strictObject({
	format: z.literal(1),
	root: signedDocumentSchema,
	/** Of the newest release taken, and the manifest it spoke of; 0 and empty before. */
	counter: z.int().min(0),
	manifest: z.string(),
	/** Milliseconds since the Unix epoch when it was taken. */
	seenAt: z.int().min(0),
});

type TrustRecord = z.infer<typeof recordSchema>;

export interface ModelTrustOptions {
	/** From the start-up kit. */
	readonly root: SignedDocument;
	/** Without one, what was taken is known while the process lives. */
	readonly store: DeviceStore | undefined;
	readonly clock: Clock;
}

/**
 * Which models a device takes: those signed by the threshold of the newest root's keys, not expired, and not older than
 * what it took before. What it knows of that is in the device's store, never in the artifact.
 */
export class ModelTrust {
	readonly #store: DeviceStore | undefined;
	readonly #clock: Clock;
	/** Releases taken in this process, by the digest of their artifact. */
	readonly #taken = new Map<string, Release>();
	#root: TrustedRoot;
	#record: TrustRecord;

	private constructor({ store, clock }: ModelTrustOptions, root: TrustedRoot, record: TrustRecord) {
		this.#store = store;
		this.#clock = clock;
		this.#root = root;
		this.#record = record;
	}

	/**
	 * Reads what the store knows. The kit's root counts when it is newer: whoever brings a kit to a device is trusted.
	 * @throws ArtifactError `PSGL_MODEL_DOCUMENT`, `PSGL_ROOT_SIGNATURES`; DataError `PSGL_STORE_DAMAGED`.
	 */
	static async open(options: ModelTrustOptions): Promise<ModelTrust> {
		const own: TrustedRoot = { root: await openRoot(options.root), signed: options.root };
		const bytes = await options.store?.get(recordName);
		if (bytes === undefined) {
			return new ModelTrust(options, own, { format: 1, root: own.signed, counter: 0, manifest: "", seenAt: 0 });
		}
		const record = parseDocument("the device's record of models", new TextDecoder().decode(bytes), recordSchema);
		const kept: TrustedRoot = { root: await openRoot(record.root), signed: record.root };
		return new ModelTrust(options, own.root.version > kept.root.version ? own : kept, record);
	}

	/** Version of the newest root. */
	get rootVersion(): number {
		return this.#root.root.version;
	}

	/** Counter of the newest release taken; 0 before the first. */
	get counter(): number {
		return this.#record.counter;
	}

	/**
	 * Checks an artifact of which not a byte was unpacked. A newer root is kept even when the artifact is refused. Until it is
	 * confirmed, a model that was taken before it may still be taken: the device may have to go back.
	 * @param digest of the artifact
	 * @throws ArtifactError `PSGL_MODEL_UNSIGNED`, `PSGL_MODEL_SIGNATURES`, `PSGL_MODEL_SIZE`, `PSGL_MODEL_MISMATCH`,
	 * `PSGL_MODEL_EXPIRED`, `PSGL_MODEL_ROLLBACK`, `PSGL_MODEL_DOCUMENT`, `PSGL_ROOT_EXPIRED`, `PSGL_ROOT_SIGNATURES`,
	 * `PSGL_ROOT_GAP`, `PSGL_ARTIFACT_FORMAT`; DataError `PSGL_STORE_WRITE`.
	 */
	async verify(artifact: Uint8Array, digest: string): Promise<void> {
		const { release: signed, roots } = readRelease(artifact);
		const root = await followRoots(this.#root, roots);
		if (root !== this.#root) {
			this.#root = root;
			await this.#keep({ ...this.#record, root: root.signed });
		}
		const release = await verifyRelease(artifact, signed, root.root);
		this.#requireCurrent(release);
		this.#taken.set(digest, release);
	}

	/** Remembers an artifact that was verified: from then on nothing older is taken. @throws DataError `PSGL_STORE_WRITE`. */
	async confirm(digest: string): Promise<void> {
		const release = this.#taken.get(digest);
		if (release === undefined || release.counter < this.#record.counter) return;
		const { counter, manifest } = release;
		await this.#keep({ ...this.#record, counter, manifest, seenAt: this.#now });
	}

	/** Verifies and confirms at once. @throws as `verify` and `confirm`. */
	async take(artifact: Uint8Array, digest: string): Promise<void> {
		await this.verify(artifact, digest);
		await this.confirm(digest);
	}

	/** Whether an artifact was taken in this process. */
	has(digest: string): boolean {
		return this.#taken.has(digest);
	}

	/**
	 * Checks an artifact that was taken before and is announced again.
	 * @throws ArtifactError `PSGL_MODEL_EXPIRED`, `PSGL_MODEL_ROLLBACK`, `PSGL_ROOT_EXPIRED`.
	 */
	check(digest: string): void {
		const release = this.#taken.get(digest);
		if (release !== undefined) this.#requireCurrent(release);
	}

	/** A clock that was set back does not bring an expired model back. */
	get #now(): number {
		return Math.max(this.#clock.now(), this.#record.seenAt);
	}

	#requireCurrent({ expires, counter, manifest }: Release): void {
		const { version, expires: rootExpires } = this.#root.root;
		if (this.#isOver(rootExpires)) {
			throw expired("PSGL_ROOT_EXPIRED", `root ${version} of signed models`, rootExpires, "psgl models rotate");
		}
		if (this.#isOver(expires)) throw expired("PSGL_MODEL_EXPIRED", "the model", expires, "psgl models sign");
		const known = this.#record;
		if (counter > known.counter || (counter === known.counter && manifest === known.manifest)) return;
		throw new ArtifactError("PSGL_MODEL_ROLLBACK", {
			what: "the model is older than one this device had",
			got: counter === known.counter ? `another model with counter ${counter}` : `counter ${counter}`,
			expected: `more than ${known.counter}`,
			remedy: "Serve the newest model; to go back on purpose, sign the old one again",
		});
	}

	#isOver(expires: string): boolean {
		return this.#now > Date.parse(expires) + trustLimits.clockToleranceMs;
	}

	async #keep(record: TrustRecord): Promise<void> {
		const value = new TextEncoder().encode(JSON.stringify(record));
		await this.#store?.write([{ key: recordName, value }]);
		this.#record = record;
	}
}

function expired(code: string, what: string, expires: string, command: string): ArtifactError {
	return new ArtifactError(code, {
		what: `${what} has expired`,
		got: `valid until ${expires}`,
		remedy: `Renew it with ${command}; if it is not over, set the device's clock`,
	});
}
