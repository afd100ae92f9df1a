import { createHash } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeAtomically } from "../files/write-atomically.js";
import { blobDamaged, blobFenced } from "../store/store-errors.js";
import { checkedName } from "./blob-name.js";
import type { BlobInfo, BlobOptions, BlobStore, PutOptions } from "./blob-store.js";

const header = z.strictObject({
	name: z.string(),
	bytes: z.int().min(0),
	sha256: z.string(),
	epoch: z.int().min(0),
	revision: z.int().min(0),
	/** The owner before which nobody may write. */
	fence: z.int().min(0),
	/** Only the fence is left. */
	removed: z.boolean(),
});

type Header = z.infer<typeof header>;

/** Blobs in a folder, a file each: a line of JSON, then the bytes. For one process at a time. Makes the folder. */
export async function openFolderBlobStore(folder: string): Promise<BlobStore> {
	await mkdir(folder, { recursive: true });
	return new FolderBlobStore(folder);
}

class FolderBlobStore implements BlobStore {
	readonly #folder: string;
	/** Writes, one after the other. */
	#writing: Promise<unknown> = Promise.resolve();

	constructor(folder: string) {
		this.#folder = folder;
	}

	put(name: string, bytes: Uint8Array, { epoch = 0, signal }: PutOptions = {}): Promise<BlobInfo> {
		return this.#exclusive(async () => {
			signal?.throwIfAborted();
			await this.#admitted(name, epoch);
			const sha256 = createHash("sha256").update(bytes).digest("hex");
			const [newest] = await this.#headers();
			const info = { name, bytes: bytes.length, sha256, epoch, revision: (newest?.revision ?? 0) + 1 };
			await this.#write({ ...info, fence: epoch, removed: false }, bytes);
			return info;
		});
	}

	async get(name: string, { signal }: BlobOptions = {}): Promise<Uint8Array | undefined> {
		signal?.throwIfAborted();
		const found = await this.#read(this.#file(name));
		if (found === undefined || found.header.removed) return undefined;
		const { bytes, header } = found;
		const digest = createHash("sha256").update(bytes).digest("hex");
		if (digest !== header.sha256) throw blobDamaged(name, `SHA-256 ${digest}`, header.sha256);
		return bytes;
	}

	async list(prefix: string): Promise<readonly BlobInfo[]> {
		const headers = await this.#headers();
		return headers
			.filter((each) => !each.removed && each.name.startsWith(prefix))
			.map(({ fence: _fence, removed: _removed, ...info }) => info);
	}

	fence(name: string, epoch: number): Promise<void> {
		return this.#exclusive(async () => {
			const before = await this.#admitted(name, epoch);
			const nothing = { name, bytes: 0, sha256: "", epoch: 0, revision: 0, removed: true };
			await this.#write({ ...(before?.header ?? nothing), fence: epoch }, before?.bytes ?? new Uint8Array());
		});
	}

	remove(name: string, { epoch = 0 }: PutOptions = {}): Promise<void> {
		return this.#exclusive(async () => {
			const before = await this.#admitted(name, epoch);
			if (before === undefined) return;
			await this.#write({ ...before.header, bytes: 0, removed: true, fence: epoch }, new Uint8Array());
		});
	}

	async close(): Promise<void> {
		await this.#writing;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	#file(name: string): string {
		return join(this.#folder, `${checkedName(name).replaceAll("/", "%2F")}.blob`);
	}

	#exclusive<T>(write: () => Promise<T>): Promise<T> {
		const written = this.#writing.then(write);
		this.#writing = written.catch(() => undefined);
		return written;
	}

	/** What is there. @throws ConfigError `PSGL_BLOB_FENCED`. */
	async #admitted(name: string, epoch: number) {
		const found = await this.#read(this.#file(name));
		if (found !== undefined && epoch < found.header.fence) throw blobFenced(name, epoch, found.header.fence);
		return found;
	}

	#write(about: Header, bytes: Uint8Array): Promise<void> {
		return writeAtomically(this.#file(about.name), Buffer.concat([Buffer.from(`${JSON.stringify(about)}\n`), bytes]));
	}

	/** All there are, the one written last first. */
	async #headers(): Promise<readonly Header[]> {
		const files = (await readdir(this.#folder)).filter((file) => file.endsWith(".blob"));
		const found = await Promise.all(files.map((file) => this.#read(join(this.#folder, file))));
		return found.flatMap((each) => each?.header ?? []).sort((a, b) => b.revision - a.revision);
	}

	async #read(file: string): Promise<{ readonly header: Header; readonly bytes: Uint8Array } | undefined> {
		const content = await readFile(file).catch((error: NodeJS.ErrnoException) => {
			if (error.code === "ENOENT") return undefined;
			throw error;
		});
		if (content === undefined) return undefined;
		const end = content.indexOf(10);
		const parsed = header.safeParse(parseJson(content.subarray(0, Math.max(end, 0)).toString()));
		if (!parsed.success) throw blobDamaged(file, "another first line", "a line of JSON about the blob");
		return { header: parsed.data, bytes: new Uint8Array(content.subarray(end + 1)) };
	}
}

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
