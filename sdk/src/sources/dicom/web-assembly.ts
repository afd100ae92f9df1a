/** Compiled code. */
export type WebAssemblyModule = object;

interface WebAssemblyInterface {
	compile(bytes: Uint8Array): Promise<WebAssemblyModule>;
	instantiate(
		module: WebAssemblyModule,
		imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
	): Promise<{ readonly exports: unknown }>;
}

/** What Node and browsers both have of WebAssembly's JavaScript interface: TypeScript declares it for browsers only. */
export const webAssembly = (globalThis as unknown as { readonly WebAssembly: WebAssemblyInterface }).WebAssembly;
