export { DelayedLink, type DelayedLinkOptions } from "./chaos/delayed-link.js";
export { FaultyLink, type FaultyLinkOptions, type LinkCounts, type LinkFaults } from "./chaos/faulty-link.js";
export { dealByPatient, dealDirichlet, dealIid, minimumSamplesPerDevice } from "./deal.js";
export { type Deal, dealSplits, type Share } from "./deal-splits.js";
export { type FleetEvent, type FleetOptions, runFleet } from "./fleet.js";
export { type PhantomOptions, phantomSplits } from "./phantom.js";
export { poisonedRuntime } from "./real/poisoned-runtime.js";
export { ScenarioFleet, type ScenarioFleetOptions } from "./real/scenario-fleet.js";
export { ShapedLink, type ShapedLinkOptions } from "./real/shaped-link.js";
export { checkInvariants, type FleetFindings } from "./scenario/check-invariants.js";
export { type DeviceProfile, type DeviceProfileName, deviceProfiles } from "./scenario/device-profiles.js";
export { expandFleet, type FleetDevice } from "./scenario/expand-fleet.js";
export { type LinkModel, type LinkModelName, linkModels } from "./scenario/link-models.js";
export { parseScenario, readScenario } from "./scenario/read-scenario.js";
export {
	type Calibration,
	type MaliciousKind,
	maliciousKinds,
	type Scenario,
	type ScenarioGroup,
	scenarioJsonSchema,
} from "./scenario/scenario.js";
export { scenarioLimits } from "./scenario/scenario-limits.js";
export { EventQueue, type Scheduled } from "./virtual/event-queue.js";
export type { FleetCounts, FleetRecord, FleetRound, Invariant } from "./virtual/fleet-record.js";
export { type FleetSample, type GroupTotals, lagEdgesMs } from "./virtual/fleet-recorder.js";
export { type SimulatedCloud, type SimulationOptions, simulateFleet } from "./virtual/simulate-fleet.js";
export type {
	DownlinkMessage,
	Endpoint,
	MessageSizes,
	UplinkMessage,
	VirtualCloud,
} from "./virtual/virtual-cloud.js";
export { lostAfterMs } from "./virtual/virtual-connection.js";
export { VirtualLink } from "./virtual/virtual-link.js";
export type { KeptKind } from "./virtual/virtual-world.js";
