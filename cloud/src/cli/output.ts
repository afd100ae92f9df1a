import { PsglError } from "@psgl/sdk";
import { Presets, SingleBar } from "cli-progress";
import { formatTable, type TableColumn } from "./table.js";

/** Something with `write`, as process.stdout is. */
export interface OutputStream {
	write(text: string): unknown;
	readonly isTTY?: boolean;
	readonly columns?: number;
}

/** How far a piece of work is. */
export interface Progress {
	/** `note`: a few words beside the bar. */
	update(done: number, note?: string): void;
	stop(): void;
}

/**
 * Everything `psgl` prints. With `--json`: events on standard output, one JSON object a line, the result last.
 * Without: results on standard output, and what happens meanwhile on standard error, with bars on a
 * terminal and plain lines off it.
 */
export class Output {
	readonly json: boolean;
	readonly #stdout: OutputStream;
	readonly #stderr: OutputStream;
	#bar: SingleBar | undefined;

	constructor(json: boolean, stdout: OutputStream, stderr: OutputStream) {
		this.json = json;
		this.#stdout = stdout;
		this.#stderr = stderr;
	}

	/** Whether bars can be drawn: a person at a terminal reads along. */
	get terminal(): boolean {
		return !this.json && this.#stderr.isTTY === true;
	}

	/** Something happened. `line` is how a person reads it; left out, only programs get to know. */
	event(type: string, fields: Readonly<Record<string, unknown>>, line?: string): void {
		// An event passed on as a whole has a type of its own, which gives way.
		const { type: _, ...rest } = fields;
		if (this.json) this.#writeJson({ type, ...rest });
		else if (line !== undefined) this.#note(line);
	}

	/** The last line with `--json`. */
	result(fields: Readonly<Record<string, unknown>>): void {
		if (this.json) this.#writeJson({ type: "result", ...fields });
	}

	/** Text of the result for a person. */
	print(text: string): void {
		if (!this.json) this.#stdout.write(`${text}\n`);
	}

	/** A table of the result for a person. */
	table(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): void {
		this.print(formatTable(columns, rows));
	}

	/** Starts to show how far something of `total` parts is. One at a time. */
	progress(label: string, total: number): Progress {
		this.#bar?.stop();
		this.#bar = undefined;
		if (this.json) return { update: () => {}, stop: () => {} };
		if (!this.terminal) return this.#plainProgress(label, total);
		const bar = new SingleBar(
			{
				format: `${label} {bar} {percentage}% {note}`,
				stream: this.#stderr as unknown as NodeJS.WritableStream,
				barsize: 24,
				clearOnComplete: true,
				hideCursor: true,
			},
			Presets.shades_classic,
		);
		bar.start(total, 0, { note: "" });
		this.#bar = bar;
		return {
			update: (done, note = "") => bar.update(done, { note }),
			stop: () => {
				bar.stop();
				if (this.#bar === bar) this.#bar = undefined;
			},
		};
	}

	/** code, what, got, expected and what to do; with `--json` an event of type `error` as well. */
	error(error: unknown): void {
		this.#bar?.stop();
		this.#bar = undefined;
		const { code, what, got, expected, remedy } = errorParts(error);
		if (this.json) this.#writeJson({ type: "error", code, what, got, expected, remedy });
		const lines = [`psgl: ${code}: ${what}`];
		if (got !== undefined) lines.push(`  got:        ${got}`);
		if (expected !== undefined) lines.push(`  expected:   ${expected}`);
		if (remedy !== undefined) lines.push(`  what to do: ${remedy}`);
		this.#stderr.write(`${lines.join("\n")}\n`);
	}

	/** Takes a bar off the terminal, so that the prompt comes back on a line of its own. */
	close(): void {
		this.#bar?.stop();
		this.#bar = undefined;
	}

	#plainProgress(label: string, total: number): Progress {
		let printed = 0;
		return {
			update: (done, note = "") => {
				const quarter = Math.floor((4 * done) / total);
				if (quarter <= printed) return;
				printed = quarter;
				this.#stderr.write(`${label}: ${quarter * 25}%${note === "" ? "" : ` ${note}`}\n`);
			},
			stop: () => {},
		};
	}

	#note(line: string): void {
		// A line written over a running bar would stay half covered by it.
		if (this.#bar !== undefined) this.#stderr.write("\r\x1b[K");
		this.#stderr.write(`${line}\n`);
	}

	#writeJson(event: unknown): void {
		this.#stdout.write(`${JSON.stringify(event, jsonNumber)}\n`);
	}
}

/** JSON has no infinity: a bound that is none prints as null, and so does what could not be measured. */
function jsonNumber(_key: string, value: unknown): unknown {
	return typeof value === "number" && !Number.isFinite(value) ? null : value;
}

interface PrintedError {
	readonly code: string;
	readonly what: string;
	readonly got?: string | undefined;
	readonly expected?: string | undefined;
	readonly remedy?: string | undefined;
}

function errorParts(error: unknown): PrintedError {
	if (error instanceof PsglError) return error;
	if (error instanceof Error && error.name === "AbortError") {
		return { code: "PSGL_INTERRUPTED", what: "stopped before the work was done" };
	}
	return {
		code: "PSGL_INTERNAL",
		what: error instanceof Error ? (error.stack ?? error.message) : String(error),
		remedy: "This is a fault in psgl; please report it with the lines above",
	};
}
