import { appendFile, open } from "node:fs/promises";
import { cloudLimits as limits } from "../../limits.js";
import { type RoundFigures, roundFigures } from "./run-board.js";

/**
 * Finished rounds in `rounds.ndjson` of a state folder, one JSON object a line, so that a page has them after a restart. Nothing
 * depends on it: what a crash cuts off, or somebody writes into it, is passed over.
 */
export class RoundFile {
	readonly #file: string;
	#writing: Promise<void> = Promise.resolve();

	constructor(file: string) {
		this.#file = file;
	}

	/** The rounds at the file's end; none when there is no such file. */
	async read(): Promise<readonly RoundFigures[]> {
		const text = await readEnd(this.#file, limits.roundFileBytes).catch(() => "");
		return text.split("\n").flatMap((line) => {
			try {
				return roundFigures.parse(JSON.parse(line));
			} catch {
				return [];
			}
		});
	}

	/** Adds a round. @param onError told when it cannot be written; the page has it while the process lives */
	append(round: RoundFigures, onError: (error: unknown) => void): void {
		this.#writing = this.#writing.then(() => appendFile(this.#file, `${JSON.stringify(round)}\n`)).catch(onError);
	}

	/** Resolves when everything is written. */
	close(): Promise<void> {
		return this.#writing;
	}
}

/** The last `most` bytes of a file as text; of a longer one from a line's beginning on. */
export async function readEnd(file: string, most: number): Promise<string> {
	const handle = await open(file, "r");
	try {
		const { size } = await handle.stat();
		const length = Math.min(size, most);
		const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
		const text = buffer.toString("utf8");
		return length < size ? text.slice(text.indexOf("\n") + 1) : text;
	} finally {
		await handle.close();
	}
}
