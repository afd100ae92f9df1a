export { DelayedLink, type DelayedLinkOptions } from "./chaos/delayed-link.js";
export { FaultyLink, type FaultyLinkOptions, type LinkCounts, type LinkFaults } from "./chaos/faulty-link.js";
export { dealByPatient, dealDirichlet, dealIid, minimumSamplesPerDevice } from "./deal.js";
export { type Deal, dealSplits, type Share } from "./deal-splits.js";
export { type FleetEvent, type FleetOptions, runFleet } from "./fleet.js";
export { type PhantomOptions, phantomSplits } from "./phantom.js";
