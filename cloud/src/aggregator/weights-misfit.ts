import { type PsglError, ShapeError } from "@psgl/sdk";
import type { ClientWeights } from "@psgl/sdk/protocol";

/** Why a device's weights cannot be those of the model; undefined when they can. */
export function misfit(got: ClientWeights, expected: ClientWeights): PsglError | undefined {
	for (const name of ["params", "stats", "head"] as const) {
		const [length, right] = [got[name].data.length, expected[name].data.length];
		if (length === right) continue;
		return new ShapeError("PSGL_WEIGHTS_SHAPE", {
			what: `the device's ${name} do not fit the model`,
			got: `${length} values`,
			expected: `${right} values`,
			remedy: "Check that aggregator and device use the same artifact",
		});
	}
	return undefined;
}
