import koffi from "koffi";
import type { Provider } from "../ports/provider.js";
import { handleFrom } from "./native-session.js";
import type { Handle, OrtLibrary } from "./ort-library.js";

/** Names in ONNX Runtime's own list. */
const names: Readonly<Record<Provider, string>> = {
	cpu: "CPUExecutionProvider",
	cuda: "CUDAExecutionProvider",
	tensorrt: "TensorrtExecutionProvider",
	webgpu: "WebGpuExecutionProvider",
};

/** Execution providers that the library was built with, by its own names. That their drivers are there is not said. */
export function builtProviders(ort: OrtLibrary): readonly string[] {
	const [list, count] = [new BigUint64Array(1), new Int32Array(1)];
	ort.getAvailableProviders(list, count);
	const [address = 0n] = list;
	const [length = 0] = count;
	const found = koffi.decode(address, koffi.array("const char *", length)) as string[];
	ort.releaseAvailableProviders(address, length);
	return found;
}

/**
 * Adds a provider to a session's options, before the processor, which takes what it cannot compute.
 * @throws Error with ONNX Runtime's own message when it cannot be used.
 */
export function appendProvider(ort: OrtLibrary, options: Handle, provider: Provider): void {
	if (provider === "cpu") return;
	const built = builtProviders(ort);
	if (!built.includes(names[provider])) {
		throw new Error(`this ONNX Runtime was built without it; it has ${built.join(", ")}`);
	}
	if (provider === "webgpu") {
		ort.appendProvider(options, "WebGPU", null, null, 0);
		return;
	}
	const cuda = provider === "cuda";
	const settings = handleFrom((out) => (cuda ? ort.createCudaOptions(out) : ort.createTensorRtOptions(out)));
	try {
		if (cuda) ort.appendCuda(options, settings);
		else ort.appendTensorRt(options, settings);
	} finally {
		if (cuda) ort.releaseCudaOptions(settings);
		else ort.releaseTensorRtOptions(settings);
	}
}
