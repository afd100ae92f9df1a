import { ArtifactError } from "../errors.js";
import type { Provider } from "../ports/provider.js";
import type { SessionOptions } from "../ports/runtime.js";
import { handleFrom } from "./native-session.js";
import { type Handle, loadOrtLibrary } from "./ort-library.js";
import { appendProvider } from "./provider.js";

/** Values of enums in onnxruntime_c_api.h. */
const onlyErrors = 3;
const extendedOptimisations = 2;
/** One thread has nobody to wait for. */
const noSpinning = { "session.intra_op.allow_spinning": "0" };
/**
 * How the threads of a run wait for the next operator: a moment awake, since to wake a sleeping one takes longer than many operators
 * do; no longer and not beyond the run, so that the cores are free for other sessions and programs (docs/performance.md).
 */
const briefSpinning = {
	"session.intra_op.allow_spinning": "1",
	"session.intra_op.spin_duration_us": "300",
	"session.force_spinning_stop": "1",
};
const deviceAllocator = 0;
const arenaAllocator = 1;
const defaultMemory = 0;

export const ort = loadOrtLibrary();
/** Lives as long as the process. */
const environment = handleFrom((out) => ort.createEnv(onlyErrors, "psgl", out));
/** Where tensors of the caller's lie. */
export const memory = handleFrom((out) => ort.createCpuMemoryInfo(deviceAllocator, defaultMemory, out));
// One arena for all graphs, which seldom run at the same time: each of their own would keep the most that it ever took.
ort.createAndRegisterAllocator(
	environment,
	handleFrom((out) => ort.createCpuMemoryInfo(arenaAllocator, defaultMemory, out)),
	null,
);

/**
 * Opens a graph in ONNX Runtime; the caller closes it.
 * @throws ArtifactError `PSGL_RUNTIME_LOAD`.
 */
export function createSession(
	model: Uint8Array,
	{ threads = 1, profilePrefix }: SessionOptions,
	provider: Provider = "cpu",
): Handle {
	const options = handleFrom((out) => ort.createSessionOptions(out));
	try {
		ort.setGraphOptimizationLevel(options, extendedOptimisations);
		ort.setIntraOpNumThreads(options, threads);
		ort.setLogSeverityLevel(options, onlyErrors);
		if (profilePrefix !== undefined) ort.enableProfiling(options, profilePrefix);
		// Planning one block for all values of a run costs 5 MiB on a small device and saves no time.
		ort.disableMemPattern(options);
		ort.addSessionConfigEntry(options, "session.use_env_allocators", "1");
		for (const [key, value] of Object.entries(threads > 1 ? briefSpinning : noSpinning))
			ort.addSessionConfigEntry(options, key, value);
		appendProvider(ort, options, provider);
		return handleFrom((out) => ort.createSessionFromArray(environment, model, model.byteLength, options, out));
	} catch (cause) {
		throw new ArtifactError("PSGL_RUNTIME_LOAD", {
			what: "ONNX Runtime cannot load a graph",
			got: `${model.byteLength} bytes: ${(cause as Error).message}`,
			remedy: "Compile the artifact again with this version of psgl",
			cause,
		});
	} finally {
		ort.releaseSessionOptions(options);
	}
}
