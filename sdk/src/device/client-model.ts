import { seededRandom } from "../ports/random.js";
import type { WelcomeMessage } from "../protocol/index.js";
import type { ClientSegment } from "./client-segment.js";
import { ClientState } from "./client-state.js";
import type { DeviceSettings } from "./device-options.js";
import { GradientScrutiny } from "./gradient-scrutiny.js";
import { PerturbationStore } from "./perturbation-store.js";

/** What a device runs: the agreed settings, the compiled client segment, and the weights that are its own. */
export interface ClientModel {
	readonly welcome: WelcomeMessage;
	readonly segment: ClientSegment;
	readonly state: ClientState;
	/** Perturbations of the training samples; undefined where robust training is off. */
	readonly perturbations: PerturbationStore | undefined;
	readonly scrutiny: GradientScrutiny;
}

/**
 * A segment under the aggregator's terms. Weights, and perturbations of the same budget, stay those of the model before it
 * where that is of the same segment.
 */
export function clientModel(
	segment: ClientSegment,
	welcome: WelcomeMessage,
	settings: DeviceSettings,
	before: ClientModel | undefined,
): ClientModel {
	const known = before?.segment === segment ? before : undefined;
	return {
		welcome,
		segment,
		state: known?.state ?? new ClientState(segment.artifact),
		perturbations: perturbationsOf(segment, welcome, settings, known?.perturbations),
		scrutiny: known?.scrutiny ?? new GradientScrutiny(),
	};
}

/** The generator of a device's training, from the run's seed and the device's id: a seed gives the same run. */
export function deviceRandom(welcome: WelcomeMessage, id: string) {
	return seededRandom(welcome.seed).fork(id);
}

function perturbationsOf(
	segment: ClientSegment,
	welcome: WelcomeMessage,
	{ id, data }: DeviceSettings,
	known: PerturbationStore | undefined,
): PerturbationStore | undefined {
	const budget = welcome.robustBudget;
	// The graphs of an artifact without robust training have no input for it.
	const { robustBudget, disclosure } = segment.artifact.manifest;
	if (budget === 0 || robustBudget === 0 || data?.train === undefined) return undefined;
	// A device that learns by itself draws a perturbation within its step.
	if (disclosure.release !== "every-epoch") return undefined;
	if (known?.budget === budget) return known;
	return new PerturbationStore({
		samples: data.train.length,
		shape: data.shape,
		budget,
		random: deviceRandom(welcome, id).fork("perturbation"),
	});
}
