import type { FiguresMessage } from "@psgl/sdk/protocol";
import type { Validation } from "./events.js";

/**
 * Validation from the figures of devices that keep their labels: means weighted by samples. What would need the labels themselves
 * is not known. Undefined when no device told any.
 */
export function pooledFigures(figures: readonly FiguresMessage[]): Validation | undefined {
	const told = figures.filter(({ accuracy, loss }) => accuracy !== undefined && loss !== undefined);
	const samples = told.reduce((sum, each) => sum + each.samples, 0);
	if (samples === 0) return undefined;
	const mean = (name: "accuracy" | "loss") =>
		told.reduce((sum, each) => sum + ((each[name] as number) * each.samples) / samples, 0);
	const unknown = { balancedAccuracy: Number.NaN, auc: Number.NaN, confusion: [] };
	return { fused: { samples, accuracy: mean("accuracy"), loss: mean("loss"), ...unknown } };
}
