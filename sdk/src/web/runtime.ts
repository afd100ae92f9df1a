import { ArtifactError, ConfigError } from "../errors.js";
import type { Runtime } from "../ports/runtime.js";
import { requireOwnOrigin } from "./own-origin.js";
import { WebSession } from "./session.js";

/** The part of onnxruntime-web that is used; its `wasm` and `webgpu` builds both have it. */
type Engine = typeof import("onnxruntime-web/wasm");

/** What may run the graphs: the processor, or the graphics processor. */
export type WebProvider = "wasm" | "webgpu";

export interface WebRuntimeOptions {
	/**
	 * `auto` (default) takes WebGPU where the browser has an adapter, else WebAssembly. WebGPU computes in another order: the
	 * last digits of results differ from those of other devices.
	 */
	readonly provider?: WebProvider | "auto" | undefined;
	/** Threads of WebAssembly. Default: half of the processors, at most 4; 1 where the page is not cross-origin isolated. */
	readonly threads?: number | undefined;
	/**
	 * Folder of onnxruntime-web's `.wasm` files, for pages whose bundler does not place them. Never another origin: the page
	 * would run code that nobody there checked.
	 */
	readonly wasmFolder?: string | undefined;
}

/** ONNX Runtime in a browser. */
export interface WebRuntime extends Runtime {
	readonly provider: WebProvider;
	/** Threads in use; 1 with WebGPU. */
	readonly threads: number;
	/** What makes it slower than it could be, to show or to log; empty where nothing does. */
	readonly warnings: readonly string[];
}

/** More threads than this bring little for graphs of this size. */
const mostThreads = 4;

/**
 * Loads ONNX Runtime in a page or, so that the page stays responsive, in a worker.
 * @throws ConfigError `PSGL_WEB_PROVIDER` when WebGPU is asked for and there is none, `PSGL_WEB_WASM_ORIGIN` when
 * `wasmFolder` is of another origin.
 */
export async function webRuntime(options: WebRuntimeOptions = {}): Promise<WebRuntime> {
	const wanted = options.provider ?? "auto";
	const hasGpu = wanted !== "wasm" && (await hasWebGpuAdapter());
	if (wanted === "webgpu" && !hasGpu) {
		throw new ConfigError("PSGL_WEB_PROVIDER", {
			what: "WebGPU was asked for and cannot be used",
			got: "gpu" in navigator ? "no adapter" : "a browser without WebGPU",
			expected: "an adapter",
			remedy: "Leave provider out to take WebAssembly instead",
		});
	}
	const provider = hasGpu ? "webgpu" : "wasm";
	const engine: Engine =
		provider === "webgpu"
			? ((await import("onnxruntime-web/webgpu")) as unknown as Engine)
			: await import("onnxruntime-web/wasm");
	const warnings: string[] = [];
	const threads = provider === "webgpu" ? 1 : chooseThreads(options.threads, warnings);
	engine.env.logLevel = "error";
	engine.env.wasm.numThreads = threads;
	if (options.wasmFolder !== undefined)
		engine.env.wasm.wasmPaths = requireOwnOrigin(options.wasmFolder.replace(/\/?$/, "/"), "onnxruntime-web");
	return {
		version: `onnxruntime-web ${engine.env.versions.web ?? "unknown"} ${provider}`,
		provider,
		threads,
		warnings,
		async load(model) {
			try {
				return new WebSession(
					await engine.InferenceSession.create(model, {
						executionProviders: [provider],
						graphOptimizationLevel: "extended",
						executionMode: "sequential",
						enableMemPattern: false,
					}),
					engine,
				);
			} catch (cause) {
				throw new ArtifactError("PSGL_RUNTIME_LOAD", {
					what: "ONNX Runtime cannot load a graph",
					got: `${model.byteLength} bytes: ${cause instanceof Error ? cause.message : String(cause)}`,
					remedy: "Compile the artifact again with this version of psgl",
					cause,
				});
			}
		},
	};
}

async function hasWebGpuAdapter(): Promise<boolean> {
	const { gpu } = navigator as { readonly gpu?: { requestAdapter(): Promise<unknown> } };
	if (gpu === undefined) return false;
	const adapter = await gpu.requestAdapter().catch(() => null);
	return adapter !== null;
}

function chooseThreads(wanted: number | undefined, warnings: string[]): number {
	const processors = navigator.hardwareConcurrency || 1;
	const threads = wanted ?? Math.min(mostThreads, Math.max(1, processors >> 1));
	if (threads === 1 || globalThis.crossOriginIsolated === true) return threads;
	warnings.push(
		"The page is not cross-origin isolated, so ONNX Runtime uses one thread. Serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.",
	);
	return 1;
}
