import { ConfigError } from "@psgl/sdk";
import type { Dataset } from "@psgl/sdk/sources";
import type { learningOptions } from "../learning-options.js";
import type { OptionValues } from "../options/option.js";

type LossKind = NonNullable<OptionValues<typeof learningOptions>["loss"]>;

/**
 * The loss that was asked for, or the one that the data's labels need.
 * @throws ConfigError `PSGL_OPTION_CONFLICT` when it is not for labels of their kind.
 */
export function lossForData(asked: LossKind | undefined, { targets }: Dataset): LossKind {
	const several = targets !== undefined;
	if (asked === undefined) return several ? "binary-cross-entropy" : "cross-entropy";
	if ((asked === "binary-cross-entropy") === several) return asked;
	throw new ConfigError("PSGL_OPTION_CONFLICT", {
		what: several ? "several labels may apply to a sample of these data" : "each sample of these data has one class",
		got: `--loss ${asked}`,
		expected: several ? "--loss binary-cross-entropy" : "cross-entropy, focal or mean-squared-error",
		remedy: "Leave --loss away",
	});
}
