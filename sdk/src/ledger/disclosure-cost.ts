import { isMultiLabel, type Manifest } from "../artifact/index.js";
import type { WireDType } from "../protocol/index.js";
import { elementCount, type Tensor } from "../tensor.js";
import type { Disclosure, LabelDisclosure } from "./release-rules.js";

/** Bits of each element type for real numbers. */
const widths: Readonly<Record<WireDType, number>> = { float32: 32, float16: 16, int8: 8, int4: 4 };

/**
 * Most bits that the smashed data of one record can disclose as they travel: `numbers * bits` of a code; else the width of each value,
 * and of the scales it is sent with, for these depend on the record too.
 */
export function smashedBits({ code, smashedShape }: Pick<Manifest, "code" | "smashedShape">, dtype: WireDType): number {
	if (code !== null) return code.numbers * code.bits;
	const scales = dtype === "float32" ? 0 : dtype === "float16" ? 1 : (smashedShape[0] as number);
	return widths[dtype] * elementCount(smashedShape) + widths.float32 * scales;
}

/** What releases of a batch's records disclose, with their labels if these go along. */
export function disclosuresOf(
	manifest: Manifest,
	dtype: WireDType,
	digests: readonly string[],
	labels: Tensor<"int64"> | undefined,
): readonly Disclosure[] {
	const bits = smashedBits(manifest, dtype);
	const epsilon = manifest.disclosure.randomisedResponse?.epsilon ?? 0;
	if (labels === undefined) return digests.map((digest) => ({ digest, bits, epsilon }));
	const shown = labelDisclosures(manifest, labels);
	return digests.map((digest, i) => ({ digest, bits, epsilon, label: shown(i) }));
}

/** Of the label at a position. One of K classes is log2 K bits, any number of them K. */
function labelDisclosures(manifest: Manifest, { dims, data }: Tensor<"int64">): (position: number) => LabelDisclosure {
	const classes = manifest.classes.length;
	const bits = isMultiLabel(manifest.loss) ? classes : Math.log2(classes);
	const [, width = 1] = dims;
	const text = (i: number) => (width === 1 ? `${data[i]}` : data.subarray(i * width, (i + 1) * width).join(""));
	return (position) => ({ key: `${text(position)} of ${classes}`, bits });
}
