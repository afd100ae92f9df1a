import { createHash } from "node:crypto";
import { blobFenced } from "../store/store-errors.js";
import { checkedName } from "./blob-name.js";
import type { BlobInfo, BlobStore, PutOptions } from "./blob-store.js";

/** Blobs in memory, gone with the process. */
export function createMemoryBlobStore(): BlobStore {
	return new MemoryBlobStore();
}

class MemoryBlobStore implements BlobStore {
	readonly #blobs = new Map<string, { readonly info: BlobInfo; readonly bytes: Uint8Array }>();
	readonly #fences = new Map<string, number>();
	#revision = 0;

	async put(name: string, bytes: Uint8Array, { epoch = 0, signal }: PutOptions = {}): Promise<BlobInfo> {
		signal?.throwIfAborted();
		this.#admit(name, epoch);
		const sha256 = createHash("sha256").update(bytes).digest("hex");
		const info = { name, bytes: bytes.length, sha256, epoch, revision: ++this.#revision };
		this.#blobs.set(name, { info, bytes: bytes.slice() });
		return info;
	}

	async get(name: string): Promise<Uint8Array | undefined> {
		return this.#blobs.get(checkedName(name))?.bytes.slice();
	}

	async list(prefix: string): Promise<readonly BlobInfo[]> {
		return [...this.#blobs.values()]
			.map(({ info }) => info)
			.filter(({ name }) => name.startsWith(prefix))
			.sort((a, b) => b.revision - a.revision);
	}

	async fence(name: string, epoch: number): Promise<void> {
		this.#admit(name, epoch);
	}

	async remove(name: string, { epoch = 0 }: PutOptions = {}): Promise<void> {
		this.#admit(name, epoch);
		this.#blobs.delete(name);
	}

	async close(): Promise<void> {
		this.#blobs.clear();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}

	/** @throws ConfigError `PSGL_BLOB_FENCED`, `PSGL_BLOB_NAME`. */
	#admit(name: string, epoch: number): void {
		const newest = this.#fences.get(checkedName(name)) ?? 0;
		if (epoch < newest) throw blobFenced(name, epoch, newest);
		this.#fences.set(name, epoch);
	}
}
