import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, DataError, systemClock } from "@psgl/sdk";
import { writeAtomically } from "../files/write-atomically.js";
import { writeOutput } from "../files/write-output.js";
import { cloudLimits as limits } from "../limits.js";
import { privateKeyOf, signHead } from "./trail-head.js";
import { genesis, lineHash, parseTrailLine, type TrailDetails, trailLine } from "./trail-line.js";

/** Files of an audit trail. */
export interface TrailFiles {
	/** The entries, one JSON object a line, never changed once written. */
	readonly trail: string;
	readonly head: string;
	/** Ed25519, PKCS #8 in PEM; made when the trail begins. */
	readonly key: string;
	/** Its public half, SPKI in PEM: keep a copy elsewhere to verify with. */
	readonly publicKey: string;
}

export function trailFiles(folder: string): TrailFiles {
	return {
		trail: join(folder, "trail.ndjson"),
		head: join(folder, "trail.head.json"),
		key: join(folder, "trail.key"),
		publicKey: join(folder, "trail.pub"),
	};
}

/**
 * Who connected, what was trained, which model went where: append-only lines, each with the hash of the one before, and
 * a signed head. `append` does not wait for the disk; what a crash may cost are the entries of the last moment.
 */
export class AuditTrail implements AsyncDisposable {
	readonly #files: TrailFiles;
	readonly #handle: FileHandle;
	readonly #key: KeyObject;
	readonly #clock: Clock;
	readonly #waiting: string[] = [];
	#seq: number;
	#hash: string;
	#suppressed = 0;
	#headAtMs: number;
	#writing: Promise<void> | undefined;
	#failure: unknown;

	private constructor(files: TrailFiles, handle: FileHandle, key: KeyObject, clock: Clock, last: LastLine) {
		this.#files = files;
		this.#handle = handle;
		this.#key = key;
		this.#clock = clock;
		this.#seq = last.seq + 1;
		this.#hash = last.hash;
		this.#headAtMs = clock.now();
	}

	/**
	 * Goes on with the trail in a folder, or begins one. A line that a crash left half-written is cut off, and an entry
	 * says so.
	 * @throws DataError `PSGL_TRAIL_DAMAGED` when the last whole line is no entry; `PSGL_TRAIL_KEY`.
	 */
	static async open(folder: string, clock: Clock = systemClock): Promise<AuditTrail> {
		const files = trailFiles(folder);
		const key = await signingKey(files);
		const handle = await open(files.trail, "a+", 0o600);
		try {
			const last = await lastLine(handle, files.trail);
			if (last.tornBytes > 0) await handle.truncate(last.end);
			const trail = new AuditTrail(files, handle, key, clock, last);
			if (last.tornBytes > 0) trail.append("torn-line-removed", { bytes: last.tornBytes });
			return trail;
		} catch (error) {
			await handle.close();
			throw error;
		}
	}

	/** Adds an entry. When more wait for the disk than memory may hold, they are counted instead, and the next entry says how many. */
	append(event: string, details: TrailDetails = {}): void {
		if (this.#waiting.length >= limits.trailEntriesWaiting) {
			this.#suppressed += 1;
			return;
		}
		const suppressed = this.#suppressed > 0 ? { suppressed: this.#suppressed } : {};
		this.#suppressed = 0;
		const at = new Date(this.#clock.now()).toISOString();
		const line = trailLine({ seq: this.#seq, at, event, previous: this.#hash }, { ...details, ...suppressed });
		this.#seq += 1;
		this.#hash = lineHash(line);
		this.#waiting.push(line);
		this.#writing ??= this.#write();
	}

	/** Resolves when everything appended so far is on the disk, or could not be written. */
	async flushed(): Promise<void> {
		await this.#writing;
	}

	/** Writes what waits, and the head. @throws the first error of the disk since the trail was opened. */
	async close(): Promise<void> {
		try {
			await this.flushed();
			if (this.#failure !== undefined) throw this.#failure;
			await this.#writeHead();
		} finally {
			await this.#handle.close();
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	async #write(): Promise<void> {
		// Entries of one moment go to the disk together.
		await Promise.resolve();
		try {
			while (this.#waiting.length > 0) {
				const lines = this.#waiting.splice(0);
				await this.#handle.appendFile(`${lines.join("\n")}\n`);
				await this.#handle.datasync();
				const due = this.#clock.now() - this.#headAtMs >= limits.trailHeadMs;
				// The head vouches for lines that are on the disk only.
				if (due && this.#waiting.length === 0) await this.#writeHead();
			}
		} catch (error) {
			this.#failure ??= error;
		} finally {
			this.#writing = undefined;
		}
	}

	async #writeHead(): Promise<void> {
		this.#headAtMs = this.#clock.now();
		const at = new Date(this.#headAtMs).toISOString();
		const head = signHead({ entries: this.#seq, hash: this.#hash, at }, this.#key);
		await writeAtomically(this.#files.head, `${JSON.stringify(head)}\n`);
	}
}

interface LastLine {
	readonly seq: number;
	readonly hash: string;
	/** Where the whole lines end, and how many bytes come after. */
	readonly end: number;
	readonly tornBytes: number;
}

/** Reads as much of the file's end as its last line can be long. */
async function lastLine(handle: FileHandle, file: string): Promise<LastLine> {
	const { size } = await handle.stat();
	const length = Math.min(size, 2 * limits.trailLineBytes);
	const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
	const lastFeed = buffer.lastIndexOf(10);
	const end = size - length + lastFeed + 1;
	const tornBytes = size - end;
	if (lastFeed < 0) {
		if (size > limits.trailLineBytes) throw damagedTrail(file, "a last line longer than any entry");
		return { seq: -1, hash: genesis, end: 0, tornBytes };
	}
	const line = buffer.subarray(buffer.lastIndexOf(10, lastFeed - 1) + 1, lastFeed).toString("utf8");
	const entry = parseTrailLine(line);
	if (entry === undefined) throw damagedTrail(file, "a last line that is no entry");
	return { seq: entry.seq, hash: lineHash(line), end, tornBytes };
}

async function signingKey(files: TrailFiles): Promise<KeyObject> {
	const pem = await readFile(files.key, "utf8").catch((error: NodeJS.ErrnoException) => {
		if (error.code === "ENOENT") return undefined;
		throw error;
	});
	if (pem !== undefined) return privateKeyOf(pem);
	const { privateKey, publicKey } = generateKeyPairSync("ed25519");
	await writeOutput(files.publicKey, publicKey.export({ type: "spki", format: "pem" }) as string);
	await writeOutput(files.key, privateKey.export({ type: "pkcs8", format: "pem" }) as string, 0o600);
	return privateKey;
}

function damagedTrail(file: string, got: string): DataError {
	return new DataError("PSGL_TRAIL_DAMAGED", {
		what: "the audit trail was changed or damaged",
		got: `${file}: ${got}`,
		remedy: "Look into it with psgl trail verify, keep the file as evidence, and start with another state folder",
	});
}
