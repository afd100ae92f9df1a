import { ArtifactError, PsglError } from "../errors.js";
import type { Dataset } from "../sources/dataset.js";
import { elementCount, type Tensor } from "../tensor.js";
import type { ClientModel } from "./client-model.js";
import { countRight, deployedForward, localScoresOf } from "./deployed-forward.js";
import type { CheckedData } from "./device-data.js";
import { slotLimits } from "./model-slots.js";

/**
 * Tries a model before it becomes the device's own: its graphs compile, it runs on the device's last labelled samples, what
 * comes out is finite, and its local head is not much worse than that of the model before it. An untrained model (version
 * 0), which a new training run begins with, is not compared.
 * @throws ArtifactError `PSGL_MODEL_UNHEALTHY`.
 */
export async function checkHealth(
	model: ClientModel,
	data: CheckedData | undefined,
	before: ClientModel | undefined,
): Promise<void> {
	const { manifest } = model.segment.artifact;
	const samples = data?.validation ?? data?.train;
	const x = samples === undefined ? blank(manifest.inputShape) : lastSamples(samples).x;
	try {
		if (data?.train !== undefined) {
			const graphs = ["client/forward", "client/tail", "client/train", "client/decide"] as const;
			await model.segment.compile(graphs.filter((name) => model.segment.artifact.graphs.has(name)));
		}
		const coded = manifest.code !== null;
		requireFiniteOutputs(coded ? { localScores: await localScoresOf(model, x) } : await outputs(model, x));
	} catch (cause) {
		const code = cause instanceof PsglError ? cause.code : undefined;
		if (code === "PSGL_MODEL_UNHEALTHY" || code === "PSGL_DEVICE_CLOSED") throw cause;
		throw unhealthy("it does not run on this device", (cause as Error).message, "a model that runs", cause);
	}
	if (samples === undefined || before === undefined || manifest.version === 0) return;
	const [own, old] = [await localAccuracy(model, samples), await localAccuracy(before, samples)];
	if (own >= old - slotLimits.maxAccuracyLoss) return;
	const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
	throw unhealthy(
		"its local head decides worse than that of the model before it",
		`${percent(own)} of this device's samples right`,
		`at least ${percent(old - slotLimits.maxAccuracyLoss)}`,
	);
}

/** @throws ArtifactError `PSGL_MODEL_UNHEALTHY` when a model puts out NaN or infinity. */
export function requireFiniteOutputs(outputs: Readonly<Record<string, Tensor>>): void {
	for (const [name, { data }] of Object.entries(outputs)) {
		for (let i = 0; i < data.length; i++) {
			if (!Number.isFinite(data[i])) throw unhealthy(`its ${name} are not finite`, `${data[i]}`, "finite numbers");
		}
	}
}

/** For a model that does not do here what it should. */
export function unhealthy(what: string, got: string, expected: string, cause?: unknown): ArtifactError {
	return new ArtifactError("PSGL_MODEL_UNHEALTHY", {
		what: `a new model fails on this device: ${what}`,
		got,
		expected,
		remedy: "The device keeps the model before it; compile and check the new one, and release it under another digest",
		cause,
	});
}

async function outputs(model: ClientModel, x: Tensor<"float32">) {
	const { smashed, localScores } = await deployedForward(model, x);
	return { smashed, localScores };
}

/** Share of the device's last labelled samples that the local head gets right. */
export async function localAccuracy(model: ClientModel, samples: Dataset): Promise<number> {
	const { x, y } = lastSamples(samples);
	const localScores = await localScoresOf(model, x);
	return countRight(localScores.data, y, model.segment.artifact.manifest.classes.length) / (x.dims[0] as number);
}

function lastSamples(samples: Dataset) {
	const count = Math.min(samples.length, slotLimits.healthSamples);
	return samples.batch(Uint32Array.from({ length: count }, (_, i) => samples.length - count + i));
}

function blank(shape: readonly number[]): Tensor<"float32"> {
	return { dtype: "float32", dims: [1, ...shape], data: new Float32Array(elementCount(shape)) };
}
