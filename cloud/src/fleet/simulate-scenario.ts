import { type Calibration, type FleetRecord, type KeptKind, type Scenario, simulateFleet } from "@psgl/firmware-sim";
import { elementCount, type Runtime, seededRandom } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import { cloudLimits } from "../limits.js";
import { calibrate } from "./calibrate.js";
import { keptMessage, messageSizes, type SimulatedMessage } from "./message-sizes.js";
import { PanelLearner } from "./panel-learner.js";
import { scenarioModel } from "./scenario-model.js";
import { VirtualAggregator } from "./virtual-aggregator.js";

export interface ScenarioRunOptions {
	readonly seed: number;
	readonly runtime: Runtime;
	readonly threads: number;
	/** Called with the share of the run that is done. */
	readonly onProgress?: ((share: number) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** Runs a scenario in virtual time. @throws the signal's reason. */
export async function simulateScenario(scenario: Scenario, options: ScenarioRunOptions): Promise<FleetRecord> {
	const { seed, runtime, threads, onProgress, signal } = options;
	const random = seededRandom(seed);
	const { artifact, client } = await scenarioModel(scenario, random.fork("weights"));
	const calibration =
		scenario.calibration ??
		(await calibrate({ artifact, client, scenario, runtime, random: random.fork("calibration"), signal }));
	const weights = {
		params: artifactTensor(artifact, "client/params"),
		stats: artifactTensor(artifact, "client/stats"),
		head: artifactTensor(artifact, "client/head"),
	};
	const tensors = new Map<string, SimulatedMessage["tensors"]>();
	/** All devices share the tensors of a kind and size: what they hold is not read. */
	const kept = (type: KeptKind, device: string, epoch: number, seq: number, samples: number): SimulatedMessage => {
		const key = `${type} ${samples}`;
		const known = tensors.get(key);
		if (known !== undefined)
			return { type, device, epoch, seq, model: epoch, samples, last: true, tensors: known } as SimulatedMessage;
		const made = keptMessage(artifact, type, device, epoch, seq, samples, weights);
		tensors.set(key, made.tensors);
		return made;
	};
	const batchBytes = 4 * scenario.training.batchSize * elementCount(artifact.manifest.smashedShape);
	const places = Math.max(1, Math.floor(cloudLimits.intakeBytes / batchBytes));
	let learner: PanelLearner | undefined;
	try {
		return await simulateFleet({
			scenario,
			seed,
			calibration,
			sizes: messageSizes(artifact, client, weights),
			keptMessage: kept,
			cloud: async (queue, devices) => {
				const { learning } = scenario;
				if (learning !== undefined) {
					learner = await PanelLearner.create({
						artifact,
						scenario: { ...scenario, learning },
						devices,
						seed,
						random: random.fork("panel"),
						runtime,
						threads,
					});
				}
				return new VirtualAggregator({ queue, scenario, calibration, places, learner });
			},
			onProgress,
			signal,
		});
	} finally {
		await learner?.close();
	}
}

/** Measures a calibration for a scenario's model and batches, to be written into its file. @throws the signal's reason. */
export async function calibrateScenario(
	scenario: Scenario,
	{ seed, runtime, signal }: Pick<ScenarioRunOptions, "seed" | "runtime" | "signal">,
): Promise<Calibration> {
	const random = seededRandom(seed);
	const model = await scenarioModel(scenario, random.fork("weights"));
	return calibrate({ ...model, scenario, runtime, random: random.fork("calibration"), signal });
}
