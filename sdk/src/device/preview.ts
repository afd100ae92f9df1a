import { packedBytes } from "../protocol/code-bits.js";
import { wireBytes } from "../protocol/index.js";
import { elementCount, type Tensor, tensorBytes } from "../tensor.js";
import type { ClientModel } from "./client-model.js";
import { deployedForward } from "./deployed-forward.js";
import { requireSamples } from "./inference.js";
import { encodeReal } from "./wire-codec.js";

/** What a device would send of a batch, for people to look at. Nothing is sent, and nothing counted as released. */
export interface Preview {
	/** [B,...] the samples with the device's own map on them, in [0,1]; the samples themselves where the model has no map. */
	readonly perturbed: Tensor<"float32">;
	/** [B,Cs,...] the smashed data; of a narrow code [B,k] its level indices. */
	readonly smashed: Tensor<"float32">;
	/** Bytes of them on the wire, without the envelope. */
	readonly bytes: number;
}

/**
 * Perturbs samples [B,...] and runs the client segment, as for a decision.
 * @throws ShapeError `PSGL_DEVICE_SHAPE`; DataError `PSGL_DEVICE_NOT_FINITE`.
 */
export async function preview(model: ClientModel, samples: Tensor<"float32">): Promise<Preview> {
	const { segment, state, welcome } = model;
	const { manifest } = segment.artifact;
	const count = requireSamples(manifest, samples);
	if (manifest.code !== null) {
		const { numbers, bits } = manifest.code;
		const { code } = await segment.run("client/code", { ...state.feeds(), x: samples });
		const { dims, data } = code as Tensor<"uint8">;
		const smashed = { dtype: "float32", dims, data: Float32Array.from(data) } as const;
		return { perturbed: samples, smashed, bytes: packedBytes(count * numbers, bits) };
	}
	const { smashed, map } = await deployedForward(model, samples);
	const sent = await encodeReal(segment, smashed, welcome.smashedDtype);
	const values = wireBytes(sent.dtype, elementCount(sent.dims));
	const bytes = values + (sent.scale === undefined ? 0 : tensorBytes(sent.scale).length);
	return { perturbed: map === undefined ? samples : withMap(samples, map), smashed, bytes };
}

function withMap(samples: Tensor<"float32">, map: Tensor<"float32">): Tensor<"float32"> {
	const data = samples.data.map((value, i) => Math.min(1, Math.max(0, value + (map.data[i] as number))));
	return { ...samples, data };
}
