import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "@psgl/sdk";

/** A model that may be rolled out. */
export interface CandidateFile {
	/** Name in the folder. */
	readonly file: string;
	readonly bytes: number;
	/** When it was written, ISO 8601. */
	readonly at: string;
}

const suffix = ".psgl";

/** Joint artifacts that an operator put into a folder of the cloud's machine to be rolled out: nothing else can be named. */
export class CandidateFolder {
	readonly #folder: string;

	constructor(folder: string) {
		this.#folder = folder;
	}

	/** By name; none where there is no folder. */
	async list(): Promise<readonly CandidateFile[]> {
		const entries = await readdir(this.#folder, { withFileTypes: true }).catch(() => []);
		const names = entries.filter((entry) => entry.isFile() && entry.name.endsWith(suffix)).map(({ name }) => name);
		return Promise.all(
			names.sort().map(async (file) => {
				const { size, mtime } = await stat(join(this.#folder, file));
				return { file, bytes: size, at: mtime.toISOString() };
			}),
		);
	}

	/** @throws DataError `PSGL_ROLLOUT_READ` when there is no such file in the list, or it cannot be read. */
	async read(file: string): Promise<Uint8Array> {
		const names = (await this.list()).map((candidate) => candidate.file);
		try {
			if (!names.includes(file)) throw new Error(`there are ${names.join(", ") || "none"}`);
			return await readFile(join(this.#folder, file));
		} catch (cause) {
			throw new DataError("PSGL_ROLLOUT_READ", {
				what: `there is no candidate ${file}`,
				got: (cause as Error).message,
				remedy: `Copy the joint artifact into ${this.#folder}`,
				cause,
			});
		}
	}
}
