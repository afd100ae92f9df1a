import { elementCount } from "@psgl/sdk";
import { creditVersion } from "@psgl/sdk/protocol";
import { cloudLimits } from "../limits.js";
import type { AggregatorOptions } from "./aggregator-options.js";
import { BatchIntake } from "./batch-intake.js";
import { Changed } from "./changed.js";
import type { AggregatorContext } from "./context.js";
import { DecisionBatches } from "./decision-batches.js";
import { DeviceTelemetry } from "./device-telemetry.js";
import { Downlink } from "./downlink.js";
import { Roster, windowFor } from "./roster.js";
import type { ResolvedSettings } from "./settings.js";
import { SmashedGuard } from "./smashed-guard.js";
import { wireTerms } from "./wire-terms.js";

/** Makes the parts an aggregator shares, out of what it was started with. */
export function createContext(
	options: AggregatorOptions,
	given: Pick<AggregatorContext, "settings" | "clock" | "server" | "history" | "stopping" | "emit" | "fail">,
): AggregatorContext {
	const { broker, exchange } = options;
	const { manifest } = options.artifact;
	const { settings, clock, server, history, emit, fail } = given;
	const roster = new Roster();
	const telemetry = new DeviceTelemetry(clock);
	const downlink = new Downlink(broker, roster, telemetry);
	const changed = new Changed(clock);
	const intake = new BatchIntake({
		server,
		downlink,
		places: batchPlaces(options, settings),
		emit,
		record: (identity) => {
			history.append({ type: "refused", ...identity }).catch(fail);
		},
		speaksCredit: (device) => roster.get(device)?.hello.protocols.includes(creditVersion) ?? false,
		agreed: (device) => {
			const known = roster.get(device);
			return known && wireTerms(known.hello, settings)?.smashedDtype;
		},
		window: (device) => {
			const known = roster.get(device);
			return (known && windowFor(known.hello, manifest, settings)) ?? 1;
		},
		largestWindow: settings.window,
		onCredit: () => changed.notify(),
	});
	const shared = { manifest, roster, telemetry, downlink, intake, changed, exchange };
	return { ...given, ...shared, guard: new SmashedGuard(), decisions: new DecisionBatches(server, clock) };
}

/** Batches whose smashed data, read, fit in the bytes set aside for them; at least one. */
function batchPlaces({ artifact, intakeBytes }: AggregatorOptions, { batchSize }: ResolvedSettings): number {
	const batchBytes = 4 * batchSize * elementCount(artifact.manifest.smashedShape);
	return Math.max(1, Math.floor((intakeBytes ?? cloudLimits.intakeBytes) / batchBytes));
}
