import { ShapeError, type Tensor } from "@psgl/sdk";
import { isMultiLabel, type Manifest } from "@psgl/sdk/artifact";
import type { LabelTensor } from "@psgl/sdk/protocol";

/**
 * Labels that travelled, as the graphs take them: class indices [B], or marks 0 and 1 [B,K] where several labels may apply to a
 * sample.
 * @throws ShapeError `PSGL_BATCH_LABEL` when they are of the other kind, or one is no class of the model, or no mark.
 */
export function graphLabels(wire: LabelTensor, manifest: Pick<Manifest, "classes" | "loss">): Tensor<"int64"> {
	const classes = manifest.classes.length;
	const several = isMultiLabel(manifest.loss);
	if (wire.dims.slice(1).join() !== (several ? `${classes}` : "")) {
		throw unusable(
			"labels are not of the model's kind",
			`[${wire.dims.join(",")}]`,
			several ? `[B,${classes}]: several labels may apply to a sample` : "[B]: one class a sample",
		);
	}
	const largest = several ? 1 : classes - 1;
	const data = new BigInt64Array(wire.data.length);
	for (let i = 0; i < data.length; i++) {
		const label = wire.data[i] as number;
		if (label < 0 || label > largest) {
			throw unusable(
				several ? "a mark of a label is neither 0 nor 1" : "a label is no class of the model",
				several
					? `${label} for label ${i % classes} of sample ${Math.floor(i / classes)}`
					: `label ${label} of sample ${i}`,
				several ? "1 where a label applies, else 0" : `0 to ${largest}`,
			);
		}
		data[i] = BigInt(label);
	}
	return { dtype: "int64", dims: wire.dims, data };
}

function unusable(what: string, got: string, expected: string): ShapeError {
	const remedy = "Check the device's data against the artifact's classes and loss";
	return new ShapeError("PSGL_BATCH_LABEL", { what, got, expected, remedy });
}
