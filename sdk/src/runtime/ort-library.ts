import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import koffi from "koffi";

// ONNX Runtime >= 1.29 reports usage unless this is set before its library loads, which is why nothing else in psgl may load it.
process.env.ORT_DISABLE_TELEMETRY = "1";

/** An object of ONNX Runtime's by its address; 0 stands for none. */
export type Handle = bigint;

/** Memory that native code reads, or writes into. */
export type Memory = ArrayBufferView | Handle | null;

/**
 * A function of the interface: where it stands in `OrtApi` and what it takes. Positions never change, new functions
 * come behind (onnxruntime_c_api.h). `n` is a size, `i` an int, `s` text, `f` a file's name, `p` a handle or memory.
 */
const functions = {
	createEnv: [3, "isp"],
	createSessionFromArray: [8, "ppnpp"],
	run: [9, "ppppnpnp"],
	createSessionOptions: [10, "p"],
	enableProfiling: [14, "pf"],
	disableMemPattern: [17, "p"],
	setLogSeverityLevel: [22, "pi"],
	setGraphOptimizationLevel: [23, "pi"],
	setIntraOpNumThreads: [24, "pi"],
	sessionGetInputCount: [30, "pp"],
	sessionGetOutputCount: [31, "pp"],
	sessionGetInputTypeInfo: [33, "pnp"],
	sessionGetOutputTypeInfo: [34, "pnp"],
	sessionGetInputName: [36, "pnpp"],
	sessionGetOutputName: [37, "pnpp"],
	createTensorWithData: [49, "ppnpnip"],
	getTensorMutableData: [51, "pp"],
	castTypeInfoToTensorInfo: [55, "pp"],
	getTensorElementType: [60, "pp"],
	getDimensionsCount: [61, "pp"],
	getDimensions: [62, "ppn"],
	getSymbolicDimensions: [63, "ppn"],
	getTensorTypeAndShape: [65, "pp"],
	createCpuMemoryInfo: [69, "iip"],
	getAllocator: [78, "p"],
	getAvailableProviders: [125, "pp"],
	releaseAvailableProviders: [126, "pi"],
	addSessionConfigEntry: [130, "pss"],
	createAndRegisterAllocator: [144, "ppp"],
	appendTensorRt: [170, "pp"],
	createTensorRtOptions: [171, "p"],
	appendCuda: [204, "pp"],
	createCudaOptions: [205, "p"],
	appendProvider: [216, "psppn"],
} as const satisfies Record<string, readonly [number, string]>;

/** Functions that free an object. */
const releases = {
	releaseSession: 95,
	releaseValue: 96,
	releaseTypeInfo: 98,
	releaseTensorInfo: 99,
	releaseSessionOptions: 100,
	releaseTensorRtOptions: 174,
	releaseCudaOptions: 208,
} as const;

/** The interface as of this version has all of the functions above; later libraries still offer it. */
const apiVersion = 17;

type Argument = Memory | number | string;

/** Stack of a call on another thread, bytes: koffi's own 128 KiB are too few for kernels that keep tiles of matrices there. */
const asideStackBytes = 2 ** 21;

/** How koffi calls a function on a thread of libuv's pool; the last argument gets an error or the result. */
type CallAside = (...args: [...Argument[], (error: Error | null, result: unknown) => void]) => void;

/** ONNX Runtime's C interface. Its functions throw an Error with the runtime's own message. */
export type OrtLibrary = Readonly<
	Record<keyof typeof functions, (...args: Argument[]) => void> &
		Record<keyof typeof releases, (handle: Handle) => void>
> & {
	readonly version: string;
	/** As `run`, on another thread. Memory must stay where it is until the promise settles. */
	readonly runAside: (...args: Argument[]) => Promise<void>;
};

/** Loads the library that the package onnxruntime-node brings for this platform. */
export function loadOrtLibrary(): OrtLibrary {
	koffi.config({ ...koffi.config(), async_stack_size: asideStackBytes });
	const library = koffi.load(libraryPath());
	const base = library.func("void *OrtGetApiBase()")() as Handle;
	const [getApi, getVersion] = koffi.decode(base, koffi.array("void *", 2)) as [Handle, Handle];
	const version = koffi.call(getVersion, koffi.proto("const char *", []));
	const api = koffi.call(getApi, koffi.proto("void *", ["uint32_t"]), apiVersion) as Handle;
	const table = koffi.decode(api, koffi.array("void *", 217)) as Handle[];
	const at = (index: number, result: string, args: string) =>
		koffi.decode(
			table[index],
			koffi.proto(
				result,
				[...args].map((letter) => types[letter as keyof typeof types]),
			),
		);
	const message = at(2, "const char *", "p");
	const releaseStatus = at(93, "void", "p");
	// Koffi unloads a library that nothing refers to.
	const check = (status: unknown) => {
		if (!status) return;
		const text = message(status) as string;
		releaseStatus(status);
		throw new Error(text);
	};
	const bound: Record<string, unknown> = { version, library };
	for (const [name, [index, args]] of Object.entries(functions)) {
		const call = at(index, "void *", args);
		bound[name] = (...values: Argument[]) => check(call(...values));
	}
	const run = at(functions.run[0], "void *", functions.run[1]).async as CallAside;
	bound.runAside = async (...values: Argument[]) =>
		check(
			await new Promise((resolve, reject) => {
				run(...values, (error, status) => (error === null ? resolve(status) : reject(error)));
			}),
		);
	for (const [name, index] of Object.entries(releases)) bound[name] = at(index, "void", "p");
	return bound as unknown as OrtLibrary;
}

const types = {
	p: "void *",
	n: "size_t",
	i: "int",
	s: "const char *",
	f: process.platform === "win32" ? "const char16_t *" : "const char *",
} as const;

const fileNames: Readonly<Record<string, string>> = {
	darwin: "libonnxruntime.1.dylib",
	linux: "libonnxruntime.so.1",
	win32: "onnxruntime.dll",
};

function libraryPath(): string {
	const root = dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
	const folder = join(root, "bin", "napi-v6", process.platform, process.arch);
	const path = join(folder, fileNames[process.platform] ?? "");
	if (!existsSync(path)) throw new Error(`onnxruntime-node has no library for this platform: ${path}`);
	return path;
}
