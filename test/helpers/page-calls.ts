import {
	ArtifactError,
	ConfigError,
	DataError,
	type DeviceStore,
	PsglError,
	type Runtime,
	type Session,
	ShapeError,
	type Tensor,
	tensorBytes,
	tensorFromBytes,
} from "@psgl/sdk";
import type { Page } from "playwright-core";

/** What an error of the page says. */
interface PageError {
	readonly kind: string;
	readonly code?: string;
	readonly message: string;
	readonly got?: string;
	readonly expected?: string;
	readonly remedy?: string;
	readonly cause?: string;
}

interface WireTensor {
	readonly dtype: Tensor["dtype"];
	readonly dims: readonly number[];
	readonly base64: string;
}

const errorClasses = { ArtifactError, ConfigError, DataError, ShapeError };

/** Calls a function of `test/browser/page`; its errors are thrown here, psgl's as what they are. */
export async function callPage<T>(page: Page, name: string, ...args: readonly unknown[]): Promise<T> {
	// Evaluated in the page, where `call` is.
	const answer = (await page.evaluate(
		([name, args]) =>
			(globalThis as unknown as { call: (name: unknown, args: unknown) => Promise<unknown> }).call(name, args),
		[name, args] as const,
	)) as { readonly value?: T; readonly error?: PageError };
	if (answer.error !== undefined) throw rebuild(answer.error);
	return answer.value as T;
}

/** The page's IndexedDB store, through the port. */
export async function pageStore(page: Page, name: string): Promise<DeviceStore> {
	const id = await callPage<number>(page, "openStore", name);
	const close = () => callPage<void>(page, "storeClose", id);
	return {
		async get(key) {
			const text = await callPage<string | undefined>(page, "storeGet", id, key);
			return text === undefined ? undefined : new Uint8Array(Buffer.from(text, "base64"));
		},
		keys: (prefix) => callPage(page, "storeKeys", id, prefix),
		write: (changes) =>
			callPage(
				page,
				"storeWrite",
				id,
				changes.map(({ key, value }) => ({ key, ...(value && { base64: toBase64(value) }) })),
			),
		close,
		[Symbol.asyncDispose]: close,
	};
}

/** The page's ONNX Runtime, through the port. */
export function pageRuntime(page: Page): Runtime {
	return {
		version: "onnxruntime-web",
		async load(model, { threads = 1 } = {}) {
			interface Loaded {
				readonly id: number;
				readonly inputNames: readonly string[];
				readonly outputNames: readonly string[];
			}
			return new PageSession(page, await callPage<Loaded>(page, "load", toBase64(model), threads));
		},
	};
}

class PageSession implements Session {
	readonly inputNames: readonly string[];
	readonly outputNames: readonly string[];
	readonly #page: Page;
	readonly #id: number;

	constructor(
		page: Page,
		{ id, inputNames, outputNames }: { id: number; inputNames: readonly string[]; outputNames: readonly string[] },
	) {
		this.#page = page;
		this.#id = id;
		this.inputNames = inputNames;
		this.outputNames = outputNames;
	}

	async run(feeds: Readonly<Record<string, Tensor>>, fetches?: readonly string[]): Promise<Record<string, Tensor>> {
		const wire = Object.entries(feeds).map(([name, t]) => [
			name,
			{ dtype: t.dtype, dims: t.dims, base64: toBase64(tensorBytes(t)) },
		]);
		const results = await callPage<Record<string, WireTensor>>(
			this.#page,
			"run",
			this.#id,
			Object.fromEntries(wire),
			fetches,
		);
		return Object.fromEntries(
			Object.entries(results).map(([name, { dtype, dims, base64 }]) => [
				name,
				tensorFromBytes(dtype, dims, Buffer.from(base64, "base64")),
			]),
		);
	}

	close(): Promise<void> {
		return callPage(this.#page, "closeSession", this.#id);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close();
	}
}

function rebuild({ kind, code, message, got, expected, remedy, cause }: PageError): Error {
	if (code === undefined) return new Error(message);
	const known = errorClasses[kind as keyof typeof errorClasses] ?? PsglError;
	return new known(code, { what: message, got, expected, remedy, cause });
}

function toBase64(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
