import type { Tensor } from "@psgl/sdk";
import type { AttackScene } from "./attack-scene.js";
import { kernelRidgeDecoder } from "./kernel-ridge-decoder.js";

type Real = Tensor<"float32">;

/**
 * Path attack: every round of training sends a sample again, through other weights. Lays all releases of a sample side
 * by side and fits the kernel-ridge decoder to the whole row.
 */
export function pathAttack(scene: AttackScene): Promise<Real> {
	const { earlier, pairs, seen } = scene;
	return kernelRidgeDecoder({
		...scene,
		pairs: sideBySide([...earlier.map((release) => release.pairs), pairs]),
		seen: sideBySide([...earlier.map((release) => release.seen), seen]),
	});
}

/** Several [N,...] -> [N, all their values]. */
function sideBySide(parts: readonly Real[]): Real {
	const count = parts[0]?.dims[0] as number;
	const sizes = parts.map(({ data }) => data.length / count);
	const total = sizes.reduce((a, b) => a + b, 0);
	const data = new Float32Array(count * total);
	let at = 0;
	parts.forEach((part, i) => {
		const size = sizes[i] as number;
		for (let n = 0; n < count; n++) data.set(part.data.subarray(n * size, (n + 1) * size), n * total + at);
		at += size;
	});
	return { dtype: "float32", dims: [count, total], data };
}
