import { ShapeError } from "@psgl/sdk";
import type { Manifest } from "@psgl/sdk/artifact";
import type { CodeTensor, HelloMessage, WireDType, WireTensor } from "@psgl/sdk/protocol";
import type { ResolvedSettings } from "./settings.js";

/** Element types from the narrowest on: a device that lacks one gets the next that it offers, never a coarser one. */
const byWidth: readonly WireDType[] = ["int4", "int8", "float16", "float32"];

/** How a device's real tensors travel. */
export interface WireTerms {
	readonly smashedDtype: WireDType;
	readonly gradientDtype: WireDType;
}

/** This element type and those that can stand in for it, the best first. */
export function orWider(dtype: WireDType): readonly WireDType[] {
	return byWidth.slice(byWidth.indexOf(dtype));
}

/** What is agreed with a device: of what it offers the nearest to the settings; undefined where it offers nothing that will do. */
export function wireTerms({ dtypes }: HelloMessage, settings: ResolvedSettings): WireTerms | undefined {
	const smashedDtype = orWider(settings.smashedDtype).find((dtype) => dtypes.includes(dtype));
	const gradientDtype = orWider(settings.gradientDtype).find((dtype) => dtypes.includes(dtype));
	if (smashedDtype === undefined || gradientDtype === undefined) return undefined;
	return { smashedDtype, gradientDtype };
}

/** Whether bodies to and from a device are deflated where that pays. */
export function deflates(
	{ deflate }: HelloMessage,
	{ smashedDtype }: WireTerms,
	settings: ResolvedSettings,
	{ disclosure }: Pick<Manifest, "disclosure">,
): boolean {
	// Who asks for few bytes has time for it: measured in docs/device.md. Where codes are sent once, weights are shortened for it.
	const few = smashedDtype === "int8" || smashedDtype === "int4" || disclosure.release !== "every-epoch";
	return deflate === true && (settings.deflate ?? few);
}

/**
 * Takes real numbers in the element type that was agreed with a device, or in float32, which loses nothing.
 * @throws ShapeError `PSGL_AGGREGATOR_DTYPE`.
 */
export function requireAgreed(smashed: WireTensor | CodeTensor, agreed: WireDType | undefined): void {
	if ("bits" in smashed || smashed.dtype === agreed || smashed.dtype === "float32") return;
	throw new ShapeError("PSGL_AGGREGATOR_DTYPE", {
		what: "values travelled in an element type that was not agreed",
		got: smashed.dtype,
		expected: agreed,
		remedy: "Use the element types that welcome names",
	});
}
