import { ShapeError } from "../errors.js";
import type { FeaturesMessage } from "../protocol/index.js";
import type { Tensor } from "../tensor.js";
import type { ClientModel } from "./client-model.js";

type Real = Tensor<"float32">;

/**
 * Features [B,streams,F] that came for a batch of `count` samples. They travel as float32.
 * @throws ShapeError `PSGL_DEVICE_FEATURES`.
 */
export function requireFeatures({ segment }: ClientModel, { tensors }: FeaturesMessage, count: number): Real {
	const { streams, tail } = segment.artifact.manifest;
	const { features } = tensors;
	const expected = [count, streams.length, tail?.features ?? 0];
	if (features.dtype === "float32" && features.dims.join() === expected.join()) return features as Real;
	throw new ShapeError("PSGL_DEVICE_FEATURES", {
		what: "the features do not fit what the device sent",
		got: `${features.dtype} [${features.dims.join(",")}]`,
		expected: `float32 [${expected.join(",")}]`,
		remedy: "Check that aggregator and device use the same artifact",
	});
}

/** What the device's tail makes of its labels [B] or [B,K]: the loss of each stream, and the gradient [B,streams,F] at the features. */
export async function tailGradient({ segment, state }: ClientModel, features: Real, y: Tensor<"int64">) {
	const { losses, featureGradient } = await segment.run("client/tail", { ...state.feeds(), features, y });
	return { losses: Array.from((losses as Real).data), featureGradient: featureGradient as Real };
}

/** Probabilities [B,streams+1,K] of the streams and of the decision. @param params of the client segment that made the smashed data */
export async function tailScores({ segment }: ClientModel, params: Real, features: Real): Promise<Real> {
	return (await segment.run("client/decide", { params, features })).scores as Real;
}
